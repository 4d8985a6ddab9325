/**
 * The key under which the old page remembers an item: FNV-1a, 32 bits, over UTF-16 code units, as 8 hex digits.
 * The units are not split into bytes; keys must stay equal to the old page's, since a tab may go back to it.
 */
export function hashKey(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return (hash >>> 0).toString(16).padStart(8, '0');
}
