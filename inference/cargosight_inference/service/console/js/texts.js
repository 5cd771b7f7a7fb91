/** The console's texts, by key, and how times, shares and numbers are written. */

const FILES = ['messages/en.json', 'messages/viewer.en.json'];
const LANGUAGE = 'en';

export class Texts {
  /** @param {Object<string, string>} table text by key, with {places} for values. */
  constructor(table, language = LANGUAGE) {
    this.table = table;
    this.language = language;
    this.plural = new Intl.PluralRules(language);
    this.t = (key, values) => this.text(key, values);
    this.count = (key, number, values) => this.counted(key, number, values);
  }

  /** Load every message file; one that is missing leaves its keys in sight instead of the page blank. */
  static async load() {
    const tables = await Promise.all(FILES.map(async (file) => {
      const answer = await fetch(file, {cache: 'no-cache'});
      return answer.ok ? answer.json() : {};
    }));
    return new Texts(Object.assign({}, ...tables));
  }

  /** The text of a key; a key without one stands for itself. */
  text(key, values = {}) {
    const text = this.table[key] ?? key;
    return text.replace(/\{(\w+)\}/g, (place, name) => (name in values ? String(values[name]) : place));
  }

  /** The text of a number of things: `key.one` or `key.other`, with {count}. */
  counted(key, number, values = {}) {
    const form = `${key}.${this.plural.select(number)}`;
    const used = form in this.table ? form : `${key}.other`;
    return this.text(used, {count: this.number(number), ...values});
  }

  /** A number with its groups; `digits` after the point. */
  number(value, digits = 0) {
    return new Intl.NumberFormat(this.language, {minimumFractionDigits: digits, maximumFractionDigits: digits}).format(value);
  }

  /** A share of one as per cent, or a dash where there is none. */
  percent(share, digits = 0) {
    if (share === null || share === undefined || !Number.isFinite(share)) return '–';
    return new Intl.NumberFormat(this.language, {style: 'percent', minimumFractionDigits: digits, maximumFractionDigits: digits}).format(share);
  }

  /** A score in [0, 1], rounded as the reasons of the advice are. */
  score(value) {
    return value.toFixed(2);
  }

  /** Seconds as `8 s`, `3:05` or `1:02:03`, or a dash. */
  span(seconds) {
    if (seconds === null || seconds === undefined) return '–';
    const whole = Math.max(0, Math.floor(seconds));
    if (whole < 60) return this.text('time.seconds', {seconds: whole});
    const two = (value) => String(value).padStart(2, '0');
    const hours = Math.floor(whole / 3600);
    const rest = `${two(Math.floor(whole / 60) % 60)}:${two(whole % 60)}`;
    return hours ? `${hours}:${rest}` : rest.replace(/^0/, '');
  }

  /** Local time of day, `14:03:05`. */
  clock(iso) {
    return this.moment(iso).slice(11, 19);
  }

  /** Local date and time, `2026-11-29 14:03:05`: read alike in every country. */
  moment(iso) {
    if (!iso) return '–';
    const at = new Date(iso);
    const shifted = new Date(at.getTime() - at.getTimezoneOffset() * 60000);
    return shifted.toISOString().slice(0, 19).replace('T', ' ');
  }

  /** A class or a reason as people read it. */
  label(name) {
    return String(name ?? '').replaceAll('_', ' ');
  }
}
