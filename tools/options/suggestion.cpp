#include "options/suggestion.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

namespace instructblip::options {
namespace {

constexpr std::string_view kCountsTheAnswer =
    "it counts the tokens of the answer alone; max_length of transformers counts the prompt of a "
    "decoder-only model too";
constexpr std::string_view kDirectory = "it takes a directory with config.json and *.safetensors";
constexpr std::string_view kOffByDefault = "nothing is drawn without it";

// Earlier rows go first.
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
    {"video-path", "video"},
    {"video-file", "video"},
    {"videos", "video", "given once for each"},
    {"num-frames", "frames"},
    {"n-frms", "frames"},
    {"nframes", "frames"},
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

// Edits (one character put in, left out, replaced, or two swapped) between two words.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) cost[i][0] = i;
  std::iota(cost[0].begin(), cost[0].end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1,
                             cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

}  // namespace

std::string plain(std::string_view typed) {
  std::string name(typed.substr(std::min(typed.find_first_not_of('-'), typed.size())));
  for (char& c : name) {
    if (c == '_') c = '-';
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return name;
}

std::span<const Spelling> spellings() { return kSpellings; }

const Spelling* named_elsewhere(std::string_view name, std::span<const Option* const> options) {
  const auto found = std::ranges::find_if(kSpellings, [&](const Spelling& spelling) {
    return spelling.typed == name && find(options, spelling.option) != nullptr;
  });
  return found == kSpellings.end() ? nullptr : &*found;
}

std::optional<std::string> nearest(std::string_view typed, std::span<const std::string> names) {
  std::string_view best;
  std::size_t fewest = typed.size() / 3 + 1;  // more edits than that are another word
  for (const std::string& name : names) {
    // A name that was cut short is near, however much of it is missing.
    const bool cut = typed.size() >= 3 && name.starts_with(typed);
    const std::size_t edits = cut ? 1 : distance(typed, name);
    if (edits < fewest || (edits == fewest && best.empty())) {
      best = name;
      fewest = edits;
    }
  }
  if (best.empty()) return std::nullopt;
  return std::string(best);
}

}  // namespace instructblip::options
