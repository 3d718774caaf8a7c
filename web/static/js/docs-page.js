/** The page of the API's reference: rendered by the server; a script adds the theme and a console. */
import { bindConsole } from "./docs-console.js";
import { must } from "./dom.js";
import { bindChoice } from "./theme.js";

bindChoice("theme", () => window.localStorage);
bindConsole(must(document, "#console", HTMLFormElement));
