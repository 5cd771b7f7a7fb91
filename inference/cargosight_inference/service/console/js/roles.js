/** What each role may do, as the service has it; the service is what enforces it. */

const RIGHTS = {
  operator: new Set(['decide']),
  supervisor: new Set(['decide', 'supervise', 'statistics', 'story']),
  engineer: new Set(['statistics', 'engines']),
  administrator: new Set(['decide', 'supervise', 'statistics', 'story', 'engines', 'administer']),
};

export const ROLE_TEXTS = {
  operator: 'role.operator',
  supervisor: 'role.supervisor',
  engineer: 'role.engineer',
  administrator: 'role.administrator',
};

/** Whether a signed-in person may do something: `decide`, `supervise`, `statistics`, `story`, `engines`, `administer`. */
export function may(me, right) {
  return RIGHTS[me?.role]?.has(right) ?? false;
}
