// How pictures come in: chosen, dropped, pasted, from the camera, or as a folder.

const PICTURES = /\.(jpe?g|jpe|jfif|png|gif|webp|hei[cf]|avif|tiff?|bmp|svg|jxl|psd)$/i;
const HIDDEN = /(^|\/)(\.|__MACOSX\/|Thumbs\.db$|desktop\.ini$|Icon\r$)/i;
const TYPING = "input:not([type=range], [type=checkbox], [type=file]), textarea";
let pasted = 0;

/** Listens to all of them; `take(found, left, folder, unread)` gets [{file, path}] and what else was there. */
export function listen(take) {
  const byId = (id) => document.getElementById(id);
  const form = document.querySelector("form.upload");
  for (const id of ["file", "folder", "camera"]) {
    const input = byId(id);
    input.addEventListener("change", () => {
      const files = [...input.files];
      input.value = "";
      hand(files.map((file) => ({ file, path: file.webkitRelativePath || file.name })), id === "folder", take);
    });
    document.querySelector(`[data-do=${id === "file" ? "files" : id}]`).addEventListener("click", () => input.click());
  }
  form.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("paste", (event) => {
    const files = [...event.clipboardData?.files ?? []];
    // What office programs copy is text and a picture of it: a text field wants the text.
    const text = event.clipboardData.types.includes("text/plain") && event.target.matches?.(TYPING);
    if (!files.length || text) return;
    event.preventDefault();
    hand(files.map(renamed), false, take);
  });
  listenToDrops(form, take);
}

function renamed(file) {
  if (file.name !== "image.png") return { file, path: file.name };
  const name = `pasted ${++pasted}.png`;
  return { file: new File([file], name, { type: file.type }), path: name };
}

function listenToDrops(form, take) {
  let depth = 0;
  const over = (change) => {
    depth = change ? Math.max(0, depth + change) : 0;
    form.classList.toggle("over", depth > 0);
  };
  const files = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragenter", (event) => { if (files(event)) over(1); });
  document.addEventListener("dragleave", (event) => { if (files(event)) over(-1); });
  document.addEventListener("dragover", (event) => { if (files(event)) event.preventDefault(); });
  document.addEventListener("drop", async (event) => {
    over(0);
    if (!files(event)) return;
    event.preventDefault();
    // All at once: after the first wait there is nothing left in it.
    const items = [...event.dataTransfer.items].filter(({ kind }) => kind === "file")
      .map((item) => ({ entry: item.webkitGetAsEntry?.(), file: item.getAsFile() }));
    const folders = items.map(({ entry }) => entry).filter((entry) => entry?.isDirectory);
    const single = items.filter(({ entry, file }) => file && !entry?.isDirectory).map(({ file }) => file);
    if (single.length) hand(single.map((file) => ({ file, path: file.name })), false, take);
    const unread = [];
    const found = await Promise.all(folders.map((folder) => walk(folder, unread)));
    if (folders.length) hand(found.flat(), true, take, unread.length);
  });
}

/** All files below a folder; folders that cannot be read to their end go to `unread`. */
async function walk(folder, unread) {
  const reader = folder.createReader();
  const failed = () => { unread.push(folder); return []; };
  let found = [];
  for (;;) { // a call gives a hundred at most
    const entries = await new Promise((...both) => { reader.readEntries(...both); }).catch(failed);
    if (!entries.length) return found;
    for (const entry of entries) {
      if (entry.isDirectory) found = found.concat(await walk(entry, unread));
      else found.push(await opened(entry));
    }
  }
}

/** A file of a folder; one that cannot be opened is an empty one, and refused as such. */
function opened(entry) {
  const path = entry.fullPath.replace(/^\//, "");
  return new Promise((resolve) => {
    entry.file((file) => resolve({ file, path }), () => resolve({ file: new File([], entry.name), path }));
  });
}

function hand(found, folder, take, unread = 0) {
  if (!folder) return take(found, 0);
  const visible = found.filter(({ path }) => !HIDDEN.test(path));
  const pictures = visible.filter(({ file }) => PICTURES.test(file.name));
  pictures.sort((a, b) => a.path.localeCompare(b.path, undefined, { numeric: true }));
  return take(pictures, visible.length - pictures.length, true, unread);
}
