// How people are shown.

/** hueOf gives each id a colour: the same one everywhere, for as long as the id stays. */
export function hueOf(id) {
  let hash = 0x811c9dc5; // FNV-1a
  for (const unit of id) hash = Math.imul(hash ^ unit.codePointAt(0), 0x01000193);
  return ((hash ^ (hash >>> 15)) >>> 0) % 360;
}

/** nameOf is what to call who has an id, a name, both or neither. */
export function nameOf({ id, name }) {
  if (name) return name;
  return id ? `Guest ${id.slice(0, 4)}` : 'Raw client';
}

/** disc is a person's colour with the initial. */
export function disc(person) {
  const element = document.createElement('span');
  element.className = 'disc';
  element.ariaHidden = 'true'; // the name is beside it
  element.textContent = person.name ? [...person.name][0].toLocaleUpperCase() : person.id ? '?' : '»';
  return element;
}

/** paint gives an element the colour of a person, for what is within. */
export function paint(element, { id }) {
  element.classList.toggle('painted', Boolean(id));
  if (id) element.style.setProperty('--hue', hueOf(id));
}

/** nameElement is a person's name, whatever its direction of writing. */
export function nameElement(person) {
  const element = document.createElement('bdi');
  element.className = 'name';
  element.textContent = nameOf(person);
  return element;
}
