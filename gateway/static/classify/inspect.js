// What a file is, by its first bytes, before anything is sent.

const READ = 65536;
const OTHERS = [
  [/^....ftyp(heic|heix|hevc|heim|heis|mif1|msf1)/s, "a HEIC picture", "save it as JPEG"],
  [/^....ftypavi[fs]/s, "an AVIF picture", "save it as JPEG"],
  [/^(II\*\0|MM\0\*)/, "a TIFF picture", "save it as JPEG"],
  [/^BM/, "a BMP picture", "save it as PNG"],
  [/^%PDF/, "a PDF", "save its page as JPEG"],
  [/^\s*(<\?xml[^]*)?(<!--[^]*?-->\s*|<!DOCTYPE[^>]*>\s*)*<svg/, "an SVG drawing", "save it as PNG"],
  [/^8BPS/, "a Photoshop file", "save it as JPEG"],
  [/^(\xff\x0a|\0\0\0\x0cJXL )/, "a JPEG XL picture", "save it as JPEG"],
  [/^\0\0\x01\0/, "an icon file", "save it as PNG"],
];

/** Type and size in pixels (0: unknown) of a picture, or why it is refused and what to do. */
export async function inspect(file, limits) {
  const name = `\u2068${file.name}\u2069`; // whichever way it is written, the rest of the sentence is not turned
  const refused = (what, way) => ({ refused: `${name} ${what}; ${way} and drop it again.` });
  if (!file.size) return refused("is empty", "copy or download it once more");
  if (file.size > limits.bytes) {
    const most = Math.round(limits.bytes / 1e6);
    return refused(`has ${megabytes(file.size)} MB, and ${most} MB are taken at most`, "save it smaller");
  }
  let bytes;
  try {
    bytes = new Uint8Array(await file.slice(0, READ).arrayBuffer());
  } catch {
    return refused("cannot be read", "look where it is");
  }
  const found = picture(bytes);
  if (!found) {
    const head = String.fromCharCode(...bytes.subarray(0, 1024));
    const other = OTHERS.find(([pattern]) => pattern.test(head));
    if (other) return refused(`is ${other[1]}`, other[2]);
    return { refused: `${name} is not a picture; drop a JPEG, PNG, GIF or WebP instead.` };
  }
  if (found.width * found.height > limits.pixels) {
    const [has, most] = [found.width * found.height, limits.pixels].map((n) => Math.round(n / 1e6));
    return refused(`has ${has} megapixels, and ${most} are taken at most`, "scale it down");
  }
  return found;
}

function megabytes(bytes) {
  return (bytes / 1e6).toFixed(1);
}

function picture(bytes) {
  const view = new DataView(bytes.buffer);
  const is = (at, text) => [...text].every((c, n) => bytes[at + n] === c.charCodeAt(0));
  const made = (type, least, size) => {
    const [width, height] = bytes.length >= least ? size() : [0, 0];
    return { type: `image/${type}`, width, height };
  };
  if (is(0, "\x89PNG\r\n\x1a\n")) return made("png", 24, () => [view.getUint32(16), view.getUint32(20)]);
  if (is(0, "GIF8")) return made("gif", 10, () => [view.getUint16(6, true), view.getUint16(8, true)]);
  if (is(0, "\xff\xd8\xff")) return made("jpeg", 0, () => jpegSize(view));
  if (is(0, "RIFF") && is(8, "WEBP")) return made("webp", 30, () => webpSize(view, is));
  return null;
}

function jpegSize(view) {
  let turned = false;
  for (let at = 2; at + 9 < view.byteLength && view.getUint8(at) === 0xff;) {
    const marker = view.getUint8(at + 1);
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      const size = [view.getUint16(at + 7), view.getUint16(at + 5)];
      return turned ? size.reverse() : size;
    }
    if (marker === 0xe1) turned ||= lying(view, at + 4);
    at += marker === 0xff ? 1 : 2 + view.getUint16(at + 2);
  }
  return [0, 0];
}

/** Whether EXIF says that the picture lies on its side. */
function lying(view, at) {
  const end = view.byteLength - 12;
  if (at + 10 > end || view.getUint32(at) !== 0x45786966) return false; // "Exif"
  const little = view.getUint16(at + 6) === 0x4949;
  const first = at + 6 + view.getUint32(at + 10, little);
  const count = first < end ? view.getUint16(first, little) : 0;
  for (let entry = first + 2; entry < Math.min(end, first + 2 + 12 * count); entry += 12) {
    if (view.getUint16(entry, little) === 0x0112) return view.getUint16(entry + 8, little) > 4;
  }
  return false;
}

function webpSize(view, is) {
  const three = (at) => view.getUint16(at, true) + (view.getUint8(at + 2) << 16);
  if (is(12, "VP8X")) return [three(24) + 1, three(27) + 1];
  if (is(12, "VP8 ")) return [view.getUint16(26, true) & 0x3fff, view.getUint16(28, true) & 0x3fff];
  const bits = view.getUint32(21, true);
  return [(bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1];
}
