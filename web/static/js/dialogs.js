/**
 * The dialogs of the list. Few visits open one, so they are a script of their own, which comes when one is
 * wanted: see `ListDialogs`.
 */
import { ListFiles } from "./list-files.js";
import { ListSharing } from "./list-sharing.js";
import { PositionDialog } from "./position-dialog.js";

/**
 * @typedef {object} Options
 * @property {ConstructorParameters<typeof ListFiles>[0]} files
 * @property {ConstructorParameters<typeof ListSharing>[0]} sharing
 * @property {ConstructorParameters<typeof PositionDialog>[0]} position
 */

/** @typedef {ReturnType<typeof makeDialogs>} Dialogs */

/** @param {Options} options */
export function makeDialogs({ files, sharing, position }) {
  return { files: new ListFiles(files), sharing: new ListSharing(sharing), position: new PositionDialog(position) };
}
