// Every option of the command in one table: parsing, --help and docs/command-line.md follow it.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/arguments.h"
#include "cli/failure.h"
#include "cli/picture_list.h"
#include "instructblip/benchmark.h"
#include "instructblip/generation.h"
#include "instructblip/image.h"
#include "instructblip/pipeline.h"

namespace instructblip::cli {

// What the command line asks for.
struct Settings {
  std::string model;
  std::vector<PictureSource> pictures;
  std::vector<std::string> features;
  std::vector<std::string> instructions;
  std::vector<std::string> texts;
  std::vector<std::string> candidates;
  RankOptions rank;
  std::string output;
  GenerationConfig generation;
  LoadOptions load;
  ConvertOptions convert;
  ImageOptions decode;
  BenchmarkOptions bench;
  std::string compare;  // a file
  bool keep_going = false;
  bool may_keep_going = false;  // the command has that option
  std::optional<bool> names;
  bool json = false;
  bool tensors = false;
  bool quiet = false;
  bool verbose = false;
};

enum class Takes {
  nothing,         // a switch
  value,           // --name VALUE or --name=VALUE
  optional_value,  // --name or --name=VALUE
};

struct OptionRow {
  std::string_view name;      // without dashes
  std::string_view argument;  // what help calls the value; empty for a switch
  std::string_view help;
  Takes takes;
  bool repeats;             // given twice, both count; else the last one does
  std::string_view letter;  // -v for --verbose; or empty
  void (*set)(Settings&, const Argument&);
};

class Session;

struct CommandRow {
  std::string_view name;
  std::string_view usage;  // its required options
  std::string_view help;
  std::vector<std::string_view> options;   // names of option_rows(), in the order of help
  std::vector<std::string_view> required;  // which of them must be given
  ExitCode (*execute)(Session&);
  std::span<const OptionRow> own = {};  // before those of option_rows() with the same name
};

std::span<const OptionRow> option_rows();
std::span<const CommandRow> command_rows();

// The option of this name as `command` has it.
const OptionRow& option_row(const CommandRow& command, std::string_view name);
// Null where there is no such command.
const CommandRow* find_command(std::string_view name);

// How options and JSON spell a value of the public interface.
std::string_view name_of(ResizeMode mode);
std::string_view name_of(ExifOrientation exif);
std::string_view name_of(AlphaBackground background);

}  // namespace instructblip::cli
