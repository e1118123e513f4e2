/// Command-line options: --name value, or --name alone.
#pragma once

#include <charconv>
#include <cstdint>
#include <map>
#include <set>
#include <stdexcept>
#include <string>

namespace world {

class Flags {
 public:
  /// Throws std::invalid_argument on anything that is neither in `valued` nor in `plain`.
  Flags(int argc, char** argv, const std::set<std::string>& valued,
        const std::set<std::string>& plain) {
    for (int i = 1; i < argc; ++i) {
      const std::string name = argv[i];
      if (plain.contains(name)) {
        values_[name] = "";
      } else if (!valued.contains(name)) {
        throw std::invalid_argument("unknown option " + name);
      } else if (++i == argc) {
        throw std::invalid_argument(name + ": a value is missing");
      } else {
        values_[name] = argv[i];
      }
    }
  }

  bool has(const std::string& name) const { return values_.contains(name); }

  std::string text(const std::string& name) const {
    const auto found = values_.find(name);
    return found == values_.end() ? "" : found->second;
  }

  std::uint64_t number(const std::string& name, std::uint64_t otherwise) const {
    if (!has(name)) return otherwise;
    const std::string value = text(name);
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    if (error != std::errc() || end != value.data() + value.size()) {
      throw std::invalid_argument(name + ": expected a whole number, got \"" + value + '"');
    }
    return number;
  }

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace world
