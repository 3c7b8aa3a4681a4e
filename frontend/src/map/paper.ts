/** The color behind an element, from 0 to 1: that of the first one around it that has any. */
export function paperOf(element: Element): [red: number, green: number, blue: number] {
  const context = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  if (!context) return [1, 1, 1];
  const behind: string[] = [];
  for (let at: Element | null = element; at; at = at.parentElement) {
    behind.unshift(getComputedStyle(at).backgroundColor);
  }
  for (const color of ["white", ...behind]) {
    context.fillStyle = color;
    context.fillRect(0, 0, 1, 1);
  }
  const [red = 255, green = 255, blue = 255] = context.getImageData(0, 0, 1, 1).data;
  return [red / 255, green / 255, blue / 255];
}
