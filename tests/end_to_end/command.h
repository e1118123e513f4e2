// The command under test, and what it is tried on.
#pragma once

#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "end_to_end/process.h"

namespace instructblip::test {

using Arguments = std::vector<std::string>;
using Json = nlohmann::ordered_json;

inline const std::string kSource = INSTRUCTBLIP_SOURCE_DIR;
inline const std::string kT5 = kSource + "/tests/golden/checkpoints/t5_2024";
inline const std::string kVicuna = kSource + "/tests/golden/checkpoints/vicuna_2024";
inline const std::string kMatcher = kSource + "/tests/golden/checkpoints/blip2_itm";
inline const std::string kInterpolated = kSource + "/tests/golden/checkpoints/vicuna_interpolated";
inline const std::string kQuestion = "What is unusual about this image?";

inline std::string image(const std::string& name) { return kSource + "/tests/data/images/" + name; }

inline const std::string kAstronaut = image("astronaut.jpg");

inline Start instructblip(const Arguments& arguments) {
  Start start{.command = {INSTRUCTBLIP_COMMAND}};
  start.command.insert(start.command.end(), arguments.begin(), arguments.end());
  return start;
}

inline Finished call(const Arguments& arguments) { return run(instructblip(arguments)); }

inline Arguments operator+(Arguments a, const Arguments& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// A short answer about astronaut.jpg; options may be added.
inline Arguments ask(const Arguments& more = {}, const std::string& model = kT5) {
  return Arguments{"run",
                   "--model",
                   model,
                   "--image",
                   image("astronaut.jpg"),
                   "--instruction",
                   kQuestion,
                   "--max-new-tokens",
                   "8"} +
         more;
}

// Standard output has to be JSON objects, one a line.
inline std::vector<Json> objects(const std::string& out) {
  std::vector<Json> parsed;
  for (std::size_t at = 0; at < out.size();) {
    const std::size_t end = out.find('\n', at);
    parsed.push_back(Json::parse(out.substr(at, end - at)));
    at = end == std::string::npos ? out.size() : end + 1;
  }
  return parsed;
}

// What the reference answered; tests/golden/README.md explains it.
inline Json golden(const std::string& model) {
  std::ifstream file(model + "/golden.json");
  return Json::parse(file);
}

inline Json golden_request(const std::string& model, const std::string& name) {
  const Json all = golden(model);
  for (const Json& request : all["requests"]) {
    if (request["name"] == name) return request;
  }
  throw std::out_of_range(name);
}

// The command line that asks what the reference was asked.
inline Arguments arguments_of(const std::string& model, const Json& request) {
  Arguments arguments = {"run",
                         "--model",
                         model,
                         "--image",
                         image(request["image"]),
                         "--instruction",
                         request["instruction"]};
  for (const auto& [key, value] : request["options"].items()) {
    std::string name = "--" + key;
    for (char& c : name) c = c == '_' ? '-' : c;
    if (value.is_boolean() && key == "interpolate_pos_encoding") {
      if (value) arguments.push_back(name);
      continue;
    }
    arguments.push_back(name + "=" + (value.is_string() ? value.get<std::string>() : value.dump()));
  }
  return arguments;
}

}  // namespace instructblip::test
