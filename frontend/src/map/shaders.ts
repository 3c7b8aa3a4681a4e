// The shapes of dots, in the order of `SHAPES` in colors.ts.
const SHAPE = `
float shape(vec2 p, float kind) {
  vec2 a = abs(p);
  if (kind < 0.5) return length(p) - 0.85;
  if (kind < 1.5) return max(a.x * 0.866 - p.y * 0.5, p.y) - 0.45;
  if (kind < 2.5) return max(a.x, a.y) - 0.72;
  if (kind < 3.5) return a.x + a.y - 0.95;
  if (kind < 4.5) return max(abs(a.x - a.y) - 0.34, max(a.x, a.y) - 0.78);
  if (kind < 5.5) return max(a.x * 0.866 + p.y * 0.5, -p.y) - 0.45;
  return abs(length(p) - 0.62) - 0.22;
}`;

/** Dots fly from one place to another; a dimmed one is faint, a chosen one larger. */
export const DOTS = {
  vertex: `#version 300 es
in vec2 from;
in vec2 to;
in vec4 color;
in float kind;
in float state;
uniform float flown;
uniform vec2 middle;
uniform vec2 zoom;
uniform float size;
out vec4 ink;
out float form;
out float edge;
void main() {
  vec2 place = (mix(from, to, flown) - middle) * zoom;
  gl_Position = vec4(place.x, -place.y, 0.0, 1.0);
  float side = size * (state > 2.5 ? 1.5 : state < 1.5 ? 0.8 : 1.0);
  gl_PointSize = side;
  edge = 2.0 / side;
  form = kind;
  ink = state < 1.5 ? vec4(color.rgb, 0.16) : vec4(color.rgb, 0.92);
}`,
  fragment: `#version 300 es
precision mediump float;
in vec4 ink;
in float form;
in float edge;
out vec4 pixel;
${SHAPE}
void main() {
  float alpha = ink.a * (1.0 - smoothstep(-edge, edge * 0.5, shape(gl_PointCoord * 2.0 - 1.0, form)));
  if (alpha < 0.01) discard;
  pixel = vec4(ink.rgb * alpha, alpha);
}`,
};

/** Thumbnails from an atlas, each in a frame of its dot's color. */
export const TILES = {
  vertex: `#version 300 es
in vec2 place;
in vec2 slot;
in vec4 color;
in float state;
uniform vec2 middle;
uniform vec2 zoom;
uniform vec2 side;
uniform float cell;
uniform float inset;
out vec2 at;
out vec2 corner;
out vec4 ink;
out float faint;
void main() {
  corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  vec2 where = (place - middle) * zoom;
  gl_Position = vec4(vec2(where.x, -where.y) + (corner - 0.5) * side * vec2(1.0, -1.0), 0.0, 1.0);
  at = slot + mix(vec2(inset), vec2(cell - inset), corner);
  ink = color;
  faint = state < 1.5 ? 0.2 : 1.0;
}`,
  fragment: `#version 300 es
precision mediump float;
in vec2 at;
in vec2 corner;
in vec4 ink;
in float faint;
uniform sampler2D atlas;
uniform float border;
out vec4 pixel;
void main() {
  vec2 near = min(corner, 1.0 - corner);
  vec3 seen = min(near.x, near.y) < border ? ink.rgb : texture(atlas, at).rgb;
  pixel = vec4(seen * faint, faint);
}`,
};

export type Program = Record<"vertex" | "fragment", string>;

export function compiled(gl: WebGL2RenderingContext, { vertex, fragment }: Program): WebGLProgram {
  const program = gl.createProgram();
  const parts = [
    [gl.VERTEX_SHADER, vertex],
    [gl.FRAGMENT_SHADER, fragment],
  ] as const;
  for (const [kind, source] of parts) {
    const shader = gl.createShader(kind);
    if (!shader) throw new Error("WebGL gave up");
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost()) {
    throw new Error(gl.getProgramInfoLog(program) ?? "the shaders do not link");
  }
  return program;
}
