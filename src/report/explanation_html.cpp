// A page about an explanation, for a browser without a network.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string_view>

#include "core/boundary.h"
#include "image/heat_map.h"
#include "image/png_encoder.h"
#include "image/resize.h"
#include "instructblip/explain.h"
#include "report/explanation_json.h"

namespace instructblip {
namespace {

// Pixels along the longer side of a picture on the page, and of those for each token.
constexpr int kLongestSide = 448, kTokenSide = 256;

std::string base64(const std::vector<std::uint8_t>& bytes) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (k < count ? bytes[i + k] : 0U);
    for (std::size_t k = 0; k < 4; ++k) {
      out += k <= count ? kDigits[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '&') {
      out += "&amp;";
    } else if (c == '"') {
      out += "&quot;";
    } else {
      out += c;
    }
  }
  return out;
}

// @param about  what it shows, for who does not see it
std::string element_of(const Image& picture, const std::string& about,
                       const std::string& kind = "") {
  return "<img class=\"" + kind + "\" alt=\"" + about + "\" src=\"data:image/png;base64," +
         base64(encode_png(picture)) + "\">";
}

// So many times as large, in squares of one colour.
Image enlarged(const Image& picture, int times) {
  const int width = picture.width() * times, height = picture.height() * times;
  std::vector<std::uint8_t> rgb;
  rgb.reserve(static_cast<std::size_t>(width) * static_cast<std::size_t>(height) * 3);
  for (int y = 0; y < height; ++y) {
    const std::uint8_t* const row = picture.row(y / times);
    for (int x = 0; x < width; ++x) {
      const std::uint8_t* const pixel = row + std::ptrdiff_t{3} * (x / times);
      rgb.insert(rgb.end(), pixel, pixel + 3);
    }
  }
  return Image::adopt(std::move(rgb), width, height);
}

// No larger than a page needs, and large enough to see a map on it.
Image fitted(const Image& picture, int side) {
  const int longest = std::max(picture.width(), picture.height());
  if (longest <= side) return longest > side / 2 ? picture : enlarged(picture, side / longest);
  const double scale = static_cast<double>(side) / longest;
  const int width = std::max(1, static_cast<int>(picture.width() * scale));
  const int height = std::max(1, static_cast<int>(picture.height() * scale));
  return Image::adopt(resize_bicubic(picture, height, width, ResizeMode::pillow13), width, height);
}

// A picture as the page shows it.
struct Shown {
  Image image;
  Region region;

  Shown(const Image& picture, const SeenRegion& seen, int side) : image(fitted(picture, side)) {
    const double x = static_cast<double>(image.width()) / picture.width();
    const double y = static_cast<double>(image.height()) / picture.height();
    region = seen.width > 0 ? Region{seen.left * x, seen.top * y, seen.width * x, seen.height * y}
                            : Region{0, 0, static_cast<double>(image.width()),
                                     static_cast<double>(image.height())};
  }
  std::string under(const std::vector<float>& weights, const Explanation& explanation,
                    const std::string& about) const {
    return element_of(
        draw_heat_map(image, weights, explanation.grid_rows, explanation.grid_columns, region),
        about);
  }
};

// Nothing may be loaded from elsewhere, and browsers are told so.
constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<title>What the answer rests on</title><style>
:root{color-scheme:light dark;--ink:#222;--paper:#fff;--soft:#595959;--chip:#ececec}
@media (prefers-color-scheme:dark){:root{--ink:#e6e6e6;--paper:#161616;--soft:#a6a6a6;--chip:#333}}
body{font:16px/1.5 system-ui,sans-serif;max-width:64rem;margin:2rem auto;padding:0 1rem;color:var(--ink);background:var(--paper)}
h1{font-size:1.5rem;overflow-wrap:anywhere}h2{font-size:1.15rem;margin-top:2.2rem}p{max-width:44rem}
.answer{font-size:1.15rem;overflow-wrap:anywhere}.maps{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(17rem,100%),1fr));gap:1rem}
.tokens{grid-template-columns:repeat(auto-fill,minmax(min(11rem,46%),1fr))}
figure{margin:0;break-inside:avoid}figcaption{font-size:.85rem;color:var(--soft);overflow-wrap:anywhere}
img,canvas{display:block;max-width:100%;height:auto;border-radius:4px}.maps img{width:100%;max-height:28rem;object-fit:contain;object-position:left top}
canvas{width:28rem}.token{font-family:ui-monospace,monospace;background:var(--chip);color:var(--ink);padding:0 .3em;border-radius:3px;white-space:pre-wrap}
.chooser{display:flex;flex-wrap:wrap;gap:.4rem 1rem}select{font:inherit;max-width:100%}
.scale{display:inline-block;width:8rem;height:.7rem;border-radius:2px;vertical-align:middle;background:linear-gradient(90deg,#30123b,#4777ef,#1bd0d5,#62fc6b,#d2e935,#fe9b2d,#db3a07,#7a0403);print-color-adjust:exact;-webkit-print-color-adjust:exact}
@media print{body{margin:0;max-width:none}.chooser select{border:0;appearance:none;background:none;color:inherit}h2{break-after:avoid}}
</style></head><body>
)";

// Draws the map that is chosen: weights come as bytes, each row of its own scale.
constexpr std::string_view kScript = R"(
const E = JSON.parse(document.getElementById("data").textContent);
const grid = E.grid_rows * E.grid_columns, maps = E.maps.map(s => Uint8Array.from(atob(s), c => c.charCodeAt(0)));
const $ = id => document.getElementById(id), pictures = [...document.querySelectorAll("img.picture")];
const fill = (id, count, name) => { for (let i = -1; i < count; ++i) $(id).add(new Option(i < 0 ? "all" : name(i), i)); };
E.regions.forEach((_, i) => $("picture").add(new Option(i + 1, i)));
fill("layer", E.cross_layers.length, i => E.cross_layers[i]); fill("head", E.heads, i => i); fill("query", E.queries, i => i);
const turbo = x => [[.13572138,4.6153926,-42.66032258,132.13108234,-152.94239396,59.28637943],
  [.09140261,2.19418839,4.84296658,-14.18503333,4.27729857,2.82956604],
  [.1066733,12.64194608,-60.58204836,110.36276771,-89.90310912,27.34824973]]
  .map(t => 255 * Math.min(1, Math.max(0, t.reduceRight((sum, term) => sum * x + term, 0))));
function draw() {
  const [p, layer, head, query] = ["picture", "layer", "head", "query"].map(id => +$(id).value), sum = new Float64Array(grid);
  for (let l = 0; l < E.cross_layers.length; ++l) for (let h = 0; h < E.heads; ++h) for (let q = 0; q < E.queries; ++q) {
    if ((layer >= 0 && l != layer) || (head >= 0 && h != head) || (query >= 0 && q != query)) continue;
    const row = (l * E.heads + h) * E.queries + q;
    for (let i = 0; i < grid; ++i) sum[i] += maps[p][row * grid + i] * E.scales[p][row];
  }
  const small = document.createElement("canvas"), most = Math.max(...sum) || 1;
  small.width = E.grid_columns; small.height = E.grid_rows;
  const pixels = small.getContext("2d").createImageData(E.grid_columns, E.grid_rows);
  sum.forEach((v, i) => pixels.data.set([...turbo(v / most), 255 * (.15 + .55 * v / most)], 4 * i));
  small.getContext("2d").putImageData(pixels, 0, 0);
  const canvas = $("map"), image = pictures[p], out = canvas.getContext("2d");
  canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
  out.drawImage(image, 0, 0); out.imageSmoothingEnabled = true; out.drawImage(small, ...E.regions[p]);
}
["picture", "layer", "head", "query"].forEach(id => $(id).onchange = draw);
window.onload = draw;
)";

// Attention to patches, [layers, heads, queries] rows of bytes, and what each byte of a row stands
// for.
void append_maps(const Explanation& explanation, std::string& maps, std::string& scales) {
  maps += "[";
  scales += "[";
  const int patches = explanation.grid_rows * explanation.grid_columns;
  const auto positions = static_cast<std::size_t>(explanation.positions);
  for (const PictureAttention& picture : explanation.pictures) {
    std::vector<std::uint8_t> bytes;
    std::vector<double> steps;
    for (std::size_t end = positions; end <= picture.cross.size(); end += positions) {
      const float* const row = picture.cross.data() + end - patches;
      const double step = static_cast<double>(*std::max_element(row, row + patches)) / 255;
      steps.push_back(step);
      for (int p = 0; p < patches; ++p) {
        bytes.push_back(step > 0 ? static_cast<std::uint8_t>(row[p] / step + 0.5) : 0);
      }
    }
    maps += "\"" + base64(bytes) + "\",";
    append_numbers(steps, scales);
    scales += ",";
  }
  maps.back() = ']';
  scales.back() = ']';
}

std::string data_of(const Explanation& explanation, const std::vector<Shown>& shown) {
  std::string maps, scales, out = "{";
  append_maps(explanation, maps, scales);
  const auto number = [&](std::string_view key, int value) {
    append_key(key, out);
    out += std::to_string(value) + ",";
  };
  number("heads", explanation.heads);
  number("queries", explanation.queries);
  number("grid_rows", explanation.grid_rows);
  number("grid_columns", explanation.grid_columns);
  append_key("cross_layers", out);
  append_numbers(explanation.cross_layers, out);
  out += ",\"maps\":" + maps + ",\"scales\":" + scales + ",\"regions\":[";
  for (const Shown& one : shown) {
    const Region& region = one.region;
    append_numbers(std::vector{region.left, region.top, region.width, region.height}, out);
    out += ",";
  }
  out.back() = ']';
  return out + "}";
}

std::string figure(const std::string& image, const std::string& caption) {
  return "<figure>" + image + "<figcaption>" + caption + "</figcaption></figure>\n";
}

constexpr std::string_view kLeavingOut =
    "Patches that were read by the queries without which the token would be less likely.";
constexpr std::string_view kByGradients =
    "Grad-CAM: patches that the queries attended to and whose attention makes the token likelier, "
    "in "
    "the sum over all layers and queries.";

// The page's heat maps for a token.
std::vector<float> map_of(const Explanation& explanation, int token, int picture) {
  return explanation.gradcam.empty() ? explanation.token_patches(token, picture)
                                     : explanation.gradcam_patches(token, picture);
}

std::string tokens_of(const Explanation& explanation, const std::vector<Shown>& shown) {
  if (explanation.relevance.empty() && explanation.gradcam.empty()) return "";
  std::string out = "<h2>What each token rests on</h2><p>";
  out += explanation.gradcam.empty() ? kLeavingOut : kByGradients;
  out += " Under each map its token, and how likely it was.</p>\n<div class=\"maps tokens\">";
  for (std::size_t t = 0; t < explanation.scored.tokens.size(); ++t) {
    std::string probability;
    append_number(std::exp(static_cast<double>(explanation.scored.logprobs[t])), probability);
    const std::string token = escaped(explanation.scored.pieces[t]);
    for (std::size_t p = 0; p < shown.size(); ++p) {
      const std::string frame =
          shown.size() > 1 ? "picture " + std::to_string(p + 1) + ", " : std::string();
      const auto map = map_of(explanation, static_cast<int>(t), static_cast<int>(p));
      const bool rests = std::ranges::any_of(map, [](float share) { return share > 0; });
      out += figure(shown[p].under(map, explanation, frame + "what " + token + " rests on"),
                    "<span class=\"token\">" + token + "</span> " + frame + probability +
                        (rests ? "" : ", on no patch"));
    }
  }
  return out + "</div>\n";
}

constexpr std::string_view kChooser =
    "<h2>Attention of the queries</h2><p class=\"chooser\"><label>Picture <select "
    "id=\"picture\"></select></label> <label>Layer <select id=\"layer\"></select></label> "
    "<label>Head <select id=\"head\"></select></label> <label>Query <select "
    "id=\"query\"></select></label></p>\n<canvas id=\"map\" role=\"img\" aria-label=\"attention of "
    "the chosen layer, head and query\"></canvas>\n<p>least <span class=\"scale\"></span> most, of "
    "the largest patch on each map. A patch is a row behind the vision encoder, which has seen the "
    "whole picture: a map says which rows were read.</p>\n";

}  // namespace

std::string to_html(const Explanation& explanation, std::span<const Image> pictures) {
  return at_boundary([&] {
    if (pictures.size() != explanation.pictures.size()) {
      throw Error(ErrorCode::invalid_argument,
                  "explanation: expected its " + std::to_string(explanation.pictures.size()) +
                      " pictures, got " + std::to_string(pictures.size()));
    }
    std::vector<Shown> shown, small;
    for (std::size_t i = 0; i < pictures.size(); ++i) {
      if (pictures[i].empty()) {
        throw Error(ErrorCode::invalid_argument, "explanation: a picture is empty");
      }
      shown.emplace_back(pictures[i], explanation.pictures[i].region, kLongestSide);
      small.emplace_back(pictures[i], explanation.pictures[i].region, kTokenSide);
    }
    std::string out(kHead);
    out += "<h1>" + escaped(explanation.instruction) + "</h1><p class=\"answer\">" +
           escaped(explanation.answer) +
           "</p>\n<h2>What the queries hold in the end</h2>\n<div class=\"maps\">";
    for (std::size_t i = 0; i < shown.size(); ++i) {
      const std::string number = shown.size() > 1 ? " " + std::to_string(i + 1) : "";
      out += figure(element_of(shown[i].image, "picture" + number, "picture"), "picture" + number);
      out += figure(shown[i].under(explanation.rollout_patches(static_cast<int>(i)), explanation,
                                   "rollout over picture" + number),
                    "rollout over all layers, mean of the queries");
    }
    out += "</div>\n";
    out += tokens_of(explanation, small);
    out += kChooser;
    out += "<script id=\"data\" type=\"application/json\">" + data_of(explanation, shown) +
           "</script><script>";
    out += kScript;
    return out + "</script></body></html>\n";
  });
}

}  // namespace instructblip
