// One option: what it is called, what it takes, what is said about it, and what it sets.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "options/argument.h"
#include "options/settings.h"

namespace instructblip::options {

// What an option is about. Help shows them under these headings, in this order, and a command may
// take a group as a whole.
enum class Group { model, request, video, answer, pictures, running, output };

inline constexpr Group kGroups[] = {Group::model,    Group::request, Group::video, Group::answer,
                                    Group::pictures, Group::running, Group::output};

std::string_view heading_of(Group group);

// What a value is. Argument has a reader for each.
enum class Kind {
  flag,     // no value: it is given or not
  integer,  // a whole number
  number,   // with a decimal point, finite
  size,     // a number of bytes, or with a unit: "500MB", "64MiB"
  choice,   // one of the names in Option::value
  text,     // UTF-8, which may be empty
  path,     // a file or a directory
  ids,      // token ids with commas between them, or "none"
  list,     // values with commas between them
};

// "integer".
std::string_view name_of(Kind kind);

// What only some options have.
struct Extras {
  bool repeats = false;        // given twice, both count; else the last one does
  bool stands_alone = false;   // may be given without a value, and is then "true"
  char letter = '\0';          // 'v' of -v
  std::string_view also = {};  // another name: "weights"
  // What the library calls it, where that is another word: "read_bytes".
  std::string_view field = {};
};
inline constexpr Extras kRepeats{.repeats = true};
inline constexpr Extras kStandsAlone{.stands_alone = true};

struct Option {
  std::string_view name;  // "num-beams"; a field of JSON or a keyword has _ for -
  Group group;
  Kind kind;
  std::string_view value;  // what help calls the value, "N"; the names of a choice, "hf|lavis"
  std::string_view default_value;  // as it is typed; empty where `help` says what holds
  std::string_view help;  // a sentence without its full stop, to which the default is added
  // Throws Error(invalid_argument) unless the whole value is what is expected. A flag's is not
  // read.
  void (*set)(Settings& settings, const Argument& argument);
  Extras extras = {};
};

// Every option, in the order of help: group by group.
std::span<const Option> table();

// Options that one command alone has, or that mean something else there.
std::span<const Option> conversion_table();    // convert
std::span<const Option> quantization_table();  // quantize
std::span<const Option> benchmark_table();     // bench

// `message` of the library with the names that are typed for those of its fields, in lines that
// begin with one: "--top-p: expected ..., with --do-sample" for "top_p: expected ..., with
// do_sample".
std::string as_typed(std::string_view message);

// The option of this name in `options`; null where there is none.
const Option* find(std::span<const Option* const> options, std::string_view name);

// "hf" and "lavis" of a choice; empty for other kinds.
std::vector<std::string_view> choices_of(const Option& option);

// `help` and the default: "width of the beam search, 1 to 64; default 1".
std::string described(const Option& option);

// "-v, --verbose", "--seed N", "--do-sample[=true|false]".
std::string spelling(const Option& option);

}  // namespace instructblip::options
