// How pictures come in: chosen, dropped, pasted, from the camera, or as a folder.

const PICTURES = /\.(jpe?g|jpe|jfif|png|gif|webp|hei[cf]|avif|tiff?|bmp|svg|jxl|psd)$/i;
const HIDDEN = /(^|\/)(\.|__MACOSX\/|Thumbs\.db$|desktop\.ini$|Icon\r$)/i;
let pasted = 0;

/** Listens to all of them; `take(found, left)` gets [{file, path}] and how many were no pictures. */
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
    const files = [...event.clipboardData.files];
    if (!files.length) return;
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
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.());
    const folders = entries.filter((entry) => entry?.isDirectory);
    const names = new Set(folders.map(({ name }) => name));
    const single = [...event.dataTransfer.files].filter((file) => !(names.has(file.name) && !file.type));
    if (single.length) hand(single.map((file) => ({ file, path: file.name })), false, take);
    if (folders.length) hand((await Promise.all(folders.map(walk))).flat(), true, take);
  });
}

/** All files below a folder. */
async function walk(folder) {
  const reader = folder.createReader();
  const found = [];
  for (;;) {
    const entries = await new Promise((resolve) => { reader.readEntries(resolve, () => resolve([])); });
    if (!entries.length) return found;
    for (const entry of entries) {
      if (entry.isDirectory) found.push(...await walk(entry));
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

function hand(found, folder, take) {
  if (!folder) return take(found, 0);
  const visible = found.filter(({ path }) => !HIDDEN.test(path));
  const pictures = visible.filter(({ file }) => PICTURES.test(file.name));
  pictures.sort((a, b) => a.path.localeCompare(b.path, undefined, { numeric: true }));
  return take(pictures, visible.length - pictures.length, true);
}
