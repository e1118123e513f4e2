#include "cli/spellings.h"

#include <algorithm>
#include <array>
#include <vector>

namespace instructblip::cli {
namespace {

struct Spelling {
  std::string_view typed;   // without dashes, and with - for _
  std::string_view option;  // ours, where the command has it
  std::string_view note = {};
};

constexpr std::string_view kCountsTheAnswer =
    "it counts the tokens of the answer alone; max_length of transformers counts the prompt of a "
    "decoder-only model too";
constexpr std::string_view kDirectory = "it takes a directory with config.json and *.safetensors";
constexpr std::string_view kOffByDefault = "nothing is drawn without it";

// Options of llama.cpp, transformers, LAVIS, LLaVA, vLLM and the like. Earlier rows go first.
constexpr auto kSpellings = std::to_array<Spelling>({
    {"m", "model", kDirectory},
    {"model-path", "model", kDirectory},
    {"model-name", "model", kDirectory},
    {"model-name-or-path", "model", kDirectory},
    {"model-id", "model", kDirectory},
    {"model-base", "language-model"},
    {"model-dir", "model", kDirectory},
    {"checkpoint", "model", kDirectory},
    {"ckpt", "model", kDirectory},
    {"pretrained", "model", kDirectory},
    {"mmproj", "model", "the directory holds the vision encoder and the projection too"},
    {"llm", "language-model"},
    {"i", "image"},
    {"img", "image"},
    {"images", "image", "given once for each picture, or with a folder"},
    {"image-file", "image"},
    {"image-files", "image", "given once for each picture, or with a folder"},
    {"image-path", "image"},
    {"image-paths", "image", "given once for each picture, or with a folder"},
    {"image-folder", "image", "it takes a folder too"},
    {"image-dir", "image", "it takes a folder too"},
    {"folder", "image", "it takes a folder too"},
    {"directory", "image", "it takes a folder too"},
    {"input-dir", "image", "it takes a folder too"},
    {"input", "image"},
    {"picture", "image"},
    {"photo", "image"},
    {"file", "image"},
    {"video", "image", "given once for each frame, or with a folder of them"},
    {"frames", "image", "given once for each frame, or with a folder of them"},
    {"image-list", "images-from"},
    {"images-file", "images-from"},
    {"file-list", "images-from"},
    {"files-from", "images-from"},
    {"list", "images-from"},
    {"p", "instruction"},
    {"prompt", "instruction"},
    {"prompts", "instruction", "given once for each"},
    {"question", "instruction"},
    {"questions", "instruction", "given once for each"},
    {"query", "instruction"},
    {"ask", "instruction"},
    {"message", "instruction"},
    {"text", "instruction"},
    {"text-input", "instruction"},
    {"caption", "text"},
    {"query", "text"},
    {"prompt", "text"},
    {"p", "text"},
    {"instruction", "text"},
    {"answer", "candidate", "given once for each"},
    {"answers", "candidate", "given once for each"},
    {"answer-list", "candidate", "given once for each"},
    {"candidates", "candidate", "given once for each"},
    {"choice", "candidate", "given once for each"},
    {"choices", "candidate", "given once for each"},
    {"label", "candidate", "given once for each"},
    {"labels", "candidate", "given once for each"},
    {"n", "max-new-tokens"},
    {"n-predict", "max-new-tokens"},
    {"predict", "max-new-tokens"},
    {"max-length", "max-new-tokens", kCountsTheAnswer},
    {"max-len", "max-new-tokens", kCountsTheAnswer},
    {"max-tokens", "max-new-tokens"},
    {"max-output-tokens", "max-new-tokens"},
    {"max-completion-tokens", "max-new-tokens"},
    {"min-length", "min-new-tokens", "it counts the tokens of the answer alone"},
    {"min-len", "min-new-tokens", "it counts the tokens of the answer alone"},
    {"min-tokens", "min-new-tokens"},
    {"b", "num-beams"},
    {"beam", "num-beams"},
    {"beams", "num-beams"},
    {"beam-size", "num-beams"},
    {"beam-width", "num-beams"},
    {"n-beams", "num-beams"},
    {"best-of", "num-return-sequences"},
    {"num-captions", "num-return-sequences"},
    {"num-sequences", "num-return-sequences"},
    {"temp", "temperature"},
    {"sample", "do-sample", kOffByDefault},
    {"sampling", "do-sample", kOffByDefault},
    {"use-nucleus-sampling", "do-sample", kOffByDefault},
    {"nucleus", "top-p", "with --do-sample"},
    {"typical", "typical-p", "with --do-sample"},
    {"repeat-penalty", "repetition-penalty"},
    {"rep-penalty", "repetition-penalty"},
    {"no-repeat-ngram", "no-repeat-ngram-size"},
    {"s", "seed"},
    {"random-seed", "seed"},
    {"reverse-prompt", "stop"},
    {"r", "stop"},
    {"stop-string", "stop"},
    {"stop-strings", "stop", "given once for each"},
    {"stop-words", "stop", "given once for each"},
    {"n-probs", "logprobs", "with --json"},
    {"t", "threads"},
    {"num-threads", "threads"},
    {"n-threads", "threads"},
    {"gpu", "device", "--device cuda"},
    {"cuda", "device", "--device cuda"},
    {"cpu", "device", "--device cpu"},
    {"ngl", "device", "--device cuda"},
    {"n-gpu-layers", "device", "--device cuda"},
    {"gpu-layers", "device", "--device cuda"},
    {"torch-dtype", "dtype"},
    {"precision", "dtype"},
    {"fp16", "dtype", "--dtype f16"},
    {"half", "dtype", "--dtype f16"},
    {"bf16", "dtype", "--dtype bf16"},
    {"fp32", "dtype", "--dtype f32"},
    {"adapter", "lora"},
    {"lora-path", "lora"},
    {"peft", "lora"},
    {"q", "quiet"},
    {"silent", "quiet"},
    {"o", "output"},
    {"out", "output"},
    {"output-file", "output"},
    {"output-dir", "output"},
    {"save", "output"},
    {"k", "keep-going"},
    {"ignore-errors", "keep-going"},
    {"skip-errors", "keep-going"},
    {"skip-bad", "keep-going"},
    {"continue-on-error", "keep-going"},
    {"with-filename", "names"},
    {"filenames", "names"},
});

bool has(const CommandRow& command, std::string_view option) {
  return std::ranges::find(command.options, option) != command.options.end();
}

// "--Num_Beams" as "num-beams".
std::string plain(std::string_view typed) {
  std::string name(typed.substr(std::min(typed.find_first_not_of('-'), typed.size())));
  for (char& c : name) {
    if (c == '_') c = '-';
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return name;
}

std::optional<std::string> known_elsewhere(const std::string& name, const CommandRow& command) {
  for (const Spelling& spelling : kSpellings) {
    if (spelling.typed != name || !has(command, spelling.option)) continue;
    const std::string note = spelling.note.empty() ? "" : " (" + std::string(spelling.note) + ")";
    return "did you mean --" + std::string(spelling.option) + "?" + note;
  }
  return std::nullopt;
}

// An option that is ours, but of other commands.
std::optional<std::string> of_other_commands(const std::string& name) {
  std::string commands;
  for (const CommandRow& row : command_rows()) {
    if (has(row, name)) commands += (commands.empty() ? "" : ", ") + std::string(row.name);
  }
  if (commands.empty()) return std::nullopt;
  return "--" + name + " is an option of " + commands;
}

}  // namespace

std::optional<std::string> suggestion(std::string_view typed, const CommandRow& command) {
  const std::string name = plain(typed);
  if (name == "help" || has(command, name)) return "did you mean --" + name + "?";
  if (auto found = known_elsewhere(name, command)) return found;
  if (auto found = of_other_commands(name)) return found;
  std::vector<std::string> dashed = {"--help"};
  for (const std::string_view option : command.options)
    dashed.push_back("--" + std::string(option));
  if (const auto near = nearest("--" + name, {dashed.begin(), dashed.end()})) {
    return "did you mean " + *near + "?";
  }
  return std::nullopt;
}

}  // namespace instructblip::cli
