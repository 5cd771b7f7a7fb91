/** Starts the console. */

import {App} from './app.js';
import {Texts} from './texts.js';

const app = new App(await Texts.load());
await app.start();
