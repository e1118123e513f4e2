#include "scene_file.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>

namespace world {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string to_base64(std::span<const std::uint8_t> bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
    unsigned bits = 0;
    for (std::size_t k = 0; k < 3; ++k) bits = bits << 8 | (k < count ? bytes[i + k] : 0U);
    for (std::size_t k = 0; k < 4; ++k) {
      text += k <= count ? kAlphabet[bits >> (18 - 6 * k) & 63] : '=';
    }
  }
  return text;
}

std::vector<std::uint8_t> from_base64(std::string_view text) {
  std::vector<std::uint8_t> bytes;
  unsigned bits = 0;
  int held = 0;
  for (const char character : text) {
    if (character == '=') break;
    const auto value = kAlphabet.find(character);
    if (value == std::string_view::npos) throw std::runtime_error("rgb: not base64");
    bits = bits << 6 | static_cast<unsigned>(value);
    held += 6;
    if (held >= 8) bytes.push_back(static_cast<std::uint8_t>(bits >> (held -= 8)));
  }
  return bytes;
}

int index_of(const auto& names, const std::string& value) {
  const auto found = std::ranges::find(names, value);
  if (found == names.end()) throw std::runtime_error('"' + value + "\" is not of this world");
  return static_cast<int>(found - names.begin());
}

int cell_of(const nlohmann::json& thing) {
  const int cell = thing.at("cell").get<int>();
  if (cell < 0 || cell >= kCellsAcross * kCellsAcross) {
    throw std::runtime_error("cell: expected 0 to 8, got " + std::to_string(cell));
  }
  return cell;
}

}  // namespace

std::string to_line(const ScenePage& page) {
  nlohmann::ordered_json line;
  line["rgb"] = to_base64(page.rgb);
  line["owners"] = to_base64(std::vector<std::uint8_t>(page.owners.begin(), page.owners.end()));
  line["objects"] = nlohmann::json::array();
  for (const Object& object : page.scene.objects) {
    line["objects"].push_back({{"shape", kShapes[static_cast<std::size_t>(object.shape)]},
                               {"colour", kColours[static_cast<std::size_t>(object.colour)]},
                               {"size", kSizes[static_cast<std::size_t>(object.size)]},
                               {"cell", object.cell}});
  }
  line["sign"] = nullptr;
  if (const auto& sign = page.scene.sign)
    line["sign"] = {{"text", sign->text}, {"cell", sign->cell}};
  line["samples"] = nlohmann::json::array();
  for (const Sample& sample : page.samples) {
    line["samples"].push_back({{"type", name(sample.type)},
                               {"form", sample.form},
                               {"instruction", sample.instruction},
                               {"parts", sample.parts},
                               {"answer", sample.answer}});
  }
  return line.dump();
}

ScenePage from_line(const std::string& line) try {
  const auto json = nlohmann::json::parse(line);
  ScenePage page;
  page.rgb = from_base64(json.at("rgb").get_ref<const std::string&>());
  if (page.rgb.size() != 3UL * kPicturePixels * kPicturePixels) {
    throw std::runtime_error("rgb: expected " +
                             std::to_string(3 * kPicturePixels * kPicturePixels) + " bytes, got " +
                             std::to_string(page.rgb.size()));
  }
  for (const auto& object : json.at("objects")) {
    page.scene.objects.push_back({.shape = index_of(kShapes, object.at("shape")),
                                  .colour = index_of(kColours, object.at("colour")),
                                  .size = index_of(kSizes, object.at("size")),
                                  .cell = cell_of(object)});
  }
  if (const auto& sign = json.at("sign"); !sign.is_null()) {
    page.scene.sign = Sign{.text = sign.at("text"), .cell = cell_of(sign)};
  }
  for (const auto& sample : json.at("samples")) {
    page.samples.push_back({static_cast<Type>(index_of(kTypes, sample.at("type"))),
                            sample.at("form"), sample.at("instruction"), sample.at("parts"),
                            sample.at("answer")});
  }
  return page;
} catch (const nlohmann::json::exception& error) {
  throw std::runtime_error(error.what());
}

}  // namespace world
