/** The page of the API's reference: rendered by the server, only its theme is chosen here. */
import { bindChoice } from "./theme.js";

bindChoice("theme", () => window.localStorage);
