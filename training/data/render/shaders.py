"""GLSL of the renderer. Colours are handled as squares of the sRGB values: a cheap gamma of 2."""

DEPTH_VERTEX = """
#version 330
uniform mat4 clip;
in vec3 position;
void main() { gl_Position = clip * vec4(position, 1.0); }
"""
DEPTH_FRAGMENT = """
#version 330
void main() {}
"""
ID_FRAGMENT = """
#version 330
uniform float id;
out vec4 value;
void main() { value = vec4(id / 255.0); }
"""

SOLID_VERTEX = """
#version 330
uniform mat4 clip;
uniform mat4 sun_clip;
in vec3 position;
in vec3 normal;
in vec2 uv;
in vec3 colour;
in vec2 surface;
out vec3 at;
out vec3 n;
out vec3 st;
out vec4 paint;
out vec3 in_sun;
void main() {
    gl_Position = clip * vec4(position, 1.0);
    at = position;
    n = normal;
    st = vec3(uv, surface.x);
    paint = vec4(colour * colour, surface.y);
    in_sun = (sun_clip * vec4(position, 1.0)).xyz * 0.5 + 0.5;
}
"""
SOLID_FRAGMENT = """
#version 330
uniform sampler2DArray textures;
uniform sampler2DShadow shadow;
uniform vec3 eye;
uniform vec3 sun_direction;
uniform vec3 sun;
uniform vec3 sky;
uniform vec3 bounce;
uniform vec3 exposure;
uniform float reach;
in vec3 at;
in vec3 n;
in vec3 st;
in vec4 paint;
in vec3 in_sun;
out vec4 colour;
void main() {
    vec3 albedo = texture(textures, st).rgb;
    albedo *= albedo * paint.rgb;
    vec3 view = normalize(eye - at);
    vec3 normal = normalize(n);
    if (dot(normal, view) < 0.0) normal = -normal;
    float facing = dot(normal, sun_direction);
    float lit = 0.0;
    if (facing > 0.0) lit = texture(shadow, vec3(in_sun.xy, in_sun.z - 0.004));
    float low = clamp(at.y / reach, 0.0, 1.0);
    vec3 ambient = mix(bounce, sky, 0.5 + 0.5 * normal.y) * (0.62 + 0.38 * low);
    vec3 light = ambient + sun * (max(facing, 0.0) * lit);
    vec3 bent = reflect(-view, normal);
    float gloss = paint.a;
    float edge = 1.0 - max(dot(normal, view), 0.0);
    float fresnel = 0.04 + 0.5 * gloss * edge * edge * edge;
    vec3 around = mix(bounce * 0.6, sky * 1.3, smoothstep(-0.25, 0.45, bent.y));
    float window = smoothstep(0.75, 0.8, fract(2.0 * bent.x + 1.3 * bent.z)) * step(0.1, bent.y);
    around += sky * (0.7 * window);
    float spark = max(dot(bent, sun_direction), 0.0);
    spark *= spark; spark *= spark; spark *= spark;
    spark = mix(spark, spark * spark * spark * spark, gloss);
    vec3 shine = gloss * (fresnel * around + sun * (spark * lit * (0.12 + 0.7 * gloss)));
    colour = vec4(sqrt((albedo * light + shine) * exposure), 1.0);
}
"""

GROUND_VERTEX = """
#version 330
uniform mat4 clip;
in vec3 position;
out vec3 at;
void main() { gl_Position = clip * vec4(position, 1.0); at = position; }
"""
GROUND_FRAGMENT = """
#version 330
uniform sampler2D ground;
uniform sampler2D lightmap;
uniform sampler2D panorama;
uniform mat2 turned;
uniform float tile;
uniform float patch_half;
uniform float fade;
uniform vec3 eye;
uniform float sun_height;
uniform vec3 sun;
uniform vec3 sky;
uniform vec3 exposure;
in vec3 at;
out vec4 colour;
void main() {
    vec3 albedo = texture(ground, turned * at.xz / tile).rgb;
    albedo *= albedo;
    vec2 light = texture(lightmap, at.xz / (2.0 * patch_half) + 0.5).rg;
    vec3 shaded = albedo * (sky * light.g + sun * (sun_height * light.r));
    vec3 seen = sqrt(shaded * exposure);
    float far = smoothstep(fade, 2.2 * fade, length(at.xz));
    if (far > 0.0) {
        vec3 way = normalize(at - eye);
        vec2 st = vec2(atan(way.z, way.x) * 0.15915494, 0.5 - 0.31830989 * asin(way.y));
        seen = mix(seen, textureLod(panorama, st, 0.0).rgb * sqrt(exposure), far);
    }
    colour = vec4(seen, 1.0);
}
"""

SKY_VERTEX = """
#version 330
uniform mat4 unclip;
in vec2 corner;
out vec3 way;
void main() {
    gl_Position = vec4(corner, 0.9999999, 1.0);
    way = (unclip * vec4(corner, 1.0, 1.0)).xyz;
}
"""
SKY_FRAGMENT = """
#version 330
uniform sampler2D panorama;
uniform vec3 exposure;
in vec3 way;
out vec4 colour;
void main() {
    vec3 w = normalize(way);
    vec2 st = vec2(atan(w.z, w.x) * 0.15915494, 0.5 - 0.31830989 * asin(w.y));
    colour = vec4(textureLod(panorama, st, 0.0).rgb * sqrt(exposure), 1.0);
}
"""
