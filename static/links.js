// Links in texts.

const LINK = /\bhttps?:\/\/[^\s<>"`]+/gi;
const TRAILING = /[.,:;!?'*_~…]+$/; // belongs to the sentence around the link
const LONGEST = 2048; // of a link

/** withLinks returns a text as nodes: strings, and elements for the links in it. */
export function withLinks(text) {
  const nodes = [];
  let end = 0;
  for (const { 0: found, index } of text.matchAll(LINK)) {
    const address = trim(found);
    const link = address.length <= LONGEST && linkTo(address);
    if (!link) continue;
    nodes.push(text.slice(end, index), link);
    end = index + address.length;
  }
  nodes.push(text.slice(end));
  return nodes;
}

/** trim cuts off what ends the sentence, and a bracket that was opened before the link. */
function trim(found) {
  let address = found.replace(TRAILING, '');
  for (const [open, close] of ['()', '[]', '{}']) {
    if (address.endsWith(close) && !address.includes(open)) address = address.slice(0, -1).replace(TRAILING, '');
  }
  return address;
}

function linkTo(address) {
  if (!URL.canParse(address)) return null;
  const link = document.createElement('a');
  link.href = address;
  link.target = '_blank';
  link.rel = 'noopener noreferrer nofollow';
  link.textContent = address;
  return link;
}
