/**
 * The shaders. `PROCESS` computes the filters of filters.js, once for a tile, into a picture of 8 bits a colour, which
 * `PICTURE` then lays on the screen as often as the view changes: panning costs no filter.
 */

import {CONSTANTS} from './filters.js';

const HEAD = `#version 300 es
precision highp float;
precision highp int;
precision highp sampler2D;
precision highp usampler2D;
`;

/** One triangle over everything. */
export const COVER = `${HEAD}
void main() {
  vec2 corner = vec2(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0);
  gl_Position = vec4(corner, 0.0, 1.0);
}`;

/** A literal that GLSL takes for a float. */
const real = (value) => (Number.isInteger(value) ? `${value}.0` : String(value));
const vector = (values) => `vec3(${values.map(real).join(', ')})`;
const [orange, green, blue] = CONSTANTS.exponents;
const kernel = CONSTANTS.kernel.map(real);
const kernelSum = CONSTANTS.kernel.reduce((sum, value) => sum + value, 0);
const depth = CONSTANTS.decades * Math.LN10;
const taps = (2 * CONSTANTS.reach) / CONSTANTS.step + 1;

/** Constants and what a single pixel says. */
const PIXEL = `
uniform usampler2D u_tile;
uniform ivec2 u_offset;      // from the fragment to the pixel of the tile
uniform int u_source;        // 0 transmission of one energy, 1 of two, 2 a vendor's grey, 3 his colours
uniform float u_full;        // the number of full scale
uniform vec2 u_window;       // low, 1 / (high - low)

const vec3 LUMA = ${vector(CONSTANTS.luma)};
const float DEPTH = ${real(depth)};

float ramp(float value, float start, float end) {
  return clamp((value - start) / (end - start), 0.0, 1.0);
}

vec3 value(ivec2 at) {
  ivec2 last = textureSize(u_tile, 0) - 1;
  return vec3(texelFetch(u_tile, clamp(at, ivec2(0), last), 0).rgb) / u_full;
}

// Steps 1 and 2.
vec3 tone(ivec2 at) {
  vec3 found = value(at);
  if (u_source < 2) {
    found = vec3(1.0 + log(max(found.r, 1.0 / u_full)) / DEPTH);
  } else if (u_source == 2) {
    found = found.rrr;
  }
  return clamp((found - u_window.x) * u_window.y, 0.0, 1.0);
}

float grey(vec3 colour) {
  return u_source == 3 ? dot(colour, LUMA) : colour.r;
}

vec2 depths(ivec2 at) {
  return -log(clamp(value(at).rg, ${real(CONSTANTS.floor)}, 1.0));
}

float windowed(float depth) {
  return max(0.0, DEPTH * (1.0 - ((1.0 - depth / DEPTH) - u_window.x) * u_window.y));
}
`;

/** Means of neighbours are taken along rows first, then along columns: 18 pixels are looked at instead of 81. */
const NEIGHBOURS = `
uniform bool u_edge;
uniform bool u_local;
uniform bool u_smooth;       // whether the ratio of two energies is read from means

const int REACH = ${CONSTANTS.reach};
const int STEP = ${CONSTANTS.step};
const float KERNEL[5] = float[5](${kernel.join(', ')});
`;

/**
 * Sums along rows, as bits of floats in whole numbers, which every card can draw into. Of colours: the weighted sum of each,
 * and that of their grey; else the weighted sum of g, its plain sum, and those of both depths.
 */
export const ROWS = `${HEAD}${PIXEL}${NEIGHBOURS}
out uvec4 o_sums;

void main() {
  ivec2 at = ivec2(gl_FragCoord.xy) + u_offset;
  vec3 weighted = vec3(0.0);
  float plain = 0.0;
  vec2 deep = vec2(0.0);
  if (u_edge) {
    for (int x = 0; x < 5; x += 1) {
      weighted += KERNEL[x] * tone(at + ivec2(x - 2, 0));
    }
  }
  for (int x = -REACH; x <= REACH; x += STEP) {
    if (u_local) {
      plain += grey(tone(at + ivec2(x, 0)));
    }
    if (u_smooth) {
      deep += depths(at + ivec2(x, 0));
    }
  }
  o_sums = floatBitsToUint(u_source == 3 ? vec4(weighted, plain) : vec4(weighted.r, plain, deep));
}`;

/** The filters; steps are those of filters.js. */
export const PROCESS = `${HEAD}${PIXEL}${NEIGHBOURS}
uniform usampler2D u_sums;   // what ROWS drew, REACH rows more above and below
uniform int u_colour;        // 0 as it is, 1 pseudo-colour, 2 grey of colours
uniform int u_strip;         // 0 none, 1 organic strip, 2 metal strip
uniform bool u_invert;
uniform vec3 u_ratios;       // organic, mixed, metal
out vec4 o_colour;

const vec3 ORANGE = ${vector(orange)};
const vec3 GREEN = ${vector(green)};
const vec3 BLUE = ${vector(blue)};
const float THIN = ${real(CONSTANTS.thin)};

vec4 sums(int row) {
  return uintBitsToFloat(texelFetch(u_sums, ivec2(gl_FragCoord.xy) + ivec2(0, REACH + row), 0));
}

vec4 means() {
  vec4 sum = vec4(0.0);
  for (int y = -REACH; y <= REACH; y += STEP) {
    sum += sums(y);
  }
  return sum / ${real(taps * taps)};
}

vec3 blurred() {
  vec4 sum = vec4(0.0);
  for (int y = 0; y < 5; y += 1) {
    sum += KERNEL[y] * sums(y - 2);
  }
  sum /= ${real(kernelSum * kernelSum)};
  return u_source == 3 ? sum.rgb : sum.rrr;
}

void main() {
  ivec2 at = ivec2(gl_FragCoord.xy) + u_offset;
  vec3 g = tone(at);
  vec3 rgb = g;
  float mixed = 0.0;
  float lit = 1.0;
  vec4 around = u_local || u_smooth ? means() : vec4(0.0);
  if (u_colour == 1 || u_strip > 0) {
    vec2 own = depths(at);
    vec2 ratio = u_smooth ? around.ba : own;
    float r = (ratio.y + THIN * u_ratios.x) / (ratio.x + THIN);
    mixed = ramp(r, u_ratios.x, u_ratios.y);
    lit = ramp(exp(-windowed(own.x)), ${real(CONSTANTS.black)}, ${real(CONSTANTS.clear)});
    if (u_colour == 1) {
      vec3 exponents = ORANGE + mixed * (GREEN - ORANGE) + ramp(r, u_ratios.y, u_ratios.z) * (BLUE - GREEN);
      rgb = exp(-windowed(0.5 * (own.x + own.y)) * exponents) * lit;
    }
  }
  if (u_local) {
    float y = grey(g);
    rgb += 0.5 + ${real(CONSTANTS.local)} * (y - (u_source == 3 ? around.a : around.g)) - y;
  }
  if (u_edge) {
    rgb += ${real(CONSTANTS.edge)} * (g - blurred());
  }
  rgb = clamp(rgb, 0.0, 1.0);
  if (u_strip > 0) {
    float keep = max(u_strip == 1 ? mixed : 1.0 - mixed, 1.0 - lit);
    rgb = mix(vec3(${real(CONSTANTS.fade)} + ${real(1 - CONSTANTS.fade)} * g.r), rgb, keep);
  }
  if (u_colour == 2) {
    rgb = vec3(dot(rgb, LUMA));
  }
  o_colour = vec4(u_invert ? 1.0 - rgb : rgb, 1.0);
}`;

/** A rectangle of the image on the screen. */
export const PLACE = `${HEAD}
uniform mat3 u_matrix;       // image coordinates to clip space
uniform vec4 u_box;          // x1, y1, x2, y2 in image coordinates
uniform vec4 u_part;         // the same of the texture, 0 to 1
out vec2 v_part;
out vec2 v_image;

void main() {
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1);
  v_image = mix(u_box.xy, u_box.zw, corner);
  v_part = mix(u_part.xy, u_part.zw, corner);
  gl_Position = vec4((u_matrix * vec3(v_image, 1.0)).xy, 0.0, 1.0);
}`;

const CIRCLE = `
uniform vec3 u_circle;       // middle and radius in device pixels from the lower left; radius 0 draws everywhere
in vec2 v_part;
in vec2 v_image;
out vec4 o_colour;

bool isOutside() {
  return u_circle.z > 0.0 && distance(gl_FragCoord.xy, u_circle.xy) > u_circle.z;
}
`;

/** A processed tile. */
export const PICTURE = `${HEAD}${CIRCLE}
uniform sampler2D u_picture;

void main() {
  if (isOutside()) {
    discard;
  }
  o_colour = texture(u_picture, v_part);
}`;

/** A map of an inspection over the picture: heat, hatching of what is opaque, or materials. */
export const MAP = `${HEAD}${CIRCLE}
uniform sampler2D u_map;
uniform int u_mode;          // 0 heat, 1 hatching, 2 materials
uniform float u_strength;    // of the colour at its fullest, 0 to 1
uniform float u_scale;       // device pixels of an image pixel
uniform float u_apart;       // device pixels between lines of the hatching
uniform vec3 u_colour;
uniform vec3 u_materials[5];
uniform float u_cold;        // below, nothing is tinted

void main() {
  if (isOutside()) {
    discard;
  }
  float found = texture(u_map, v_part).r;
  if (u_mode == 0) {
    o_colour = vec4(u_colour, u_strength * clamp((found - u_cold) / (1.0 - u_cold), 0.0, 1.0));
  } else if (u_mode == 1) {
    // Anchored in the image, so that lines do not crawl over the load when it is moved.
    float along = mod((v_image.x + v_image.y) * u_scale, u_apart) / u_apart;
    float away = abs(along - 0.5);
    if (found == 0.0 || away > 0.2) {
      discard;
    }
    o_colour = vec4(away > 0.1 ? vec3(0.0) : u_colour, u_strength);
  } else {
    int named = int(found * 255.0 + 0.5);
    o_colour = vec4(u_materials[min(named, 4)], named == 3 ? 0.0 : u_strength);
  }
}`;
