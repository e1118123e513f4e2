#include "cli/options.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "cli/bench_options.h"
#include "cli/session.h"

namespace instructblip::cli {
namespace {

template <typename T>
using Choices = std::vector<std::pair<std::string_view, T>>;

const Choices<ResizeMode> kResizeModes = {{"auto", ResizeMode::automatic},
                                          {"pillow13", ResizeMode::pillow13},
                                          {"pillow12", ResizeMode::pillow12},
                                          {"torchvision", ResizeMode::torchvision}};
const Choices<Compat> kCompat = {{"hf", Compat::hf}, {"lavis", Compat::lavis}};
const Choices<Geometry> kGeometries = {{"squash", Geometry::squash}, {"crop", Geometry::crop}};
const Choices<RankBy> kRankBy = {{"sum", RankBy::sum}, {"mean", RankBy::mean}};
const Choices<ExifOrientation> kExif = {{"apply", ExifOrientation::apply},
                                        {"ignore", ExifOrientation::ignore}};
const Choices<AlphaBackground> kBackgrounds = {{"drop", AlphaBackground::drop},
                                               {"white", AlphaBackground::white}};
const Choices<EarlyStopping> kEarlyStopping = {
    {"true", EarlyStopping::yes}, {"false", EarlyStopping::no}, {"never", EarlyStopping::never}};
const Choices<Precision> kPrecisions = {{"auto", Precision::automatic}, {"f32", Precision::f32},
                                        {"f16", Precision::f16},        {"bf16", Precision::bf16},
                                        {"q8", Precision::q8},          {"q4", Precision::q4}};
const Choices<Numerics> kNumerics = {{"reference", Numerics::reference},
                                     {"deterministic", Numerics::deterministic},
                                     {"fast", Numerics::fast}};

Device device(const Argument& argument) {
  const std::string text = argument.text();
  if (text == "auto") return {};
  if (text == "cpu") return {.type = DeviceType::cpu};
  if (text == "cuda") return {.type = DeviceType::cuda};
  Device cuda{.type = DeviceType::cuda};
  constexpr std::string_view kPrefix = "cuda:";
  if (text.starts_with(kPrefix)) {
    const char* const last = text.data() + text.size();
    const auto [end, fault] = std::from_chars(text.data() + kPrefix.size(), last, cuda.index);
    if (fault == std::errc() && end == last && cuda.index >= 0) return cuda;
  }
  argument.fail("auto, cpu, cuda or cuda:N");
}

template <typename T>
std::string_view name_in(const Choices<T>& choices, T value) {
  const auto found =
      std::ranges::find_if(choices, [&](const auto& choice) { return choice.second == value; });
  return found == choices.end() ? std::string_view() : found->first;
}

using A = const Argument&;
using S = Settings&;

constexpr auto kRows = std::to_array<OptionRow>({
    {"model", "DIR", "a Hugging Face directory: config.json, *.safetensors, tokenizers",
     Takes::value, false, "", [](S s, A a) { s.model = a.path(); }},
    {"language-model", "DIR",
     "a directory with the language model alone, used instead of what --model holds of one",
     Takes::value, false, "", [](S s, A a) { s.load.language_model = a.path(); }},
    {"overlay", "FILE",
     "weights to lay over those of --model, by the names of LAVIS or transformers: .pth, .bin, "
     ".safetensors or a directory; repeated: the last one wins",
     Takes::value, true, "", [](S s, A a) { s.load.overlays.emplace_back(a.path()); }},
    {"lora", "DIR",
     "a LoRA adapter of PEFT to merge into the weights; repeated: one after the other",
     Takes::value, true, "", [](S s, A a) { s.load.adapters.emplace_back(a.path()); }},
    {"ignore-unexpected", "", "leave tensors aside that belong to no part of the model, and say so",
     Takes::nothing, false, "", [](S s, A) { s.load.ignore_unexpected = true; }},
    {"image", "FILE",
     "JPEG, PNG, GIF, WebP, BMP, TIFF, JPEG 2000 or PNM; - reads it from standard input, a folder "
     "stands for its "
     "pictures; several are one request each, in order, or one request together: the frames of a "
     "video model, or as many as the instruction has <image>",
     Takes::value, true, "",
     [](S s, A a) {
       s.pictures.push_back({PictureSource::Kind::picture, a.path()});
     }},
    {"images-from", "FILE",
     "names of pictures and folders, one a line, as if each stood behind --image; - reads standard "
     "input",
     Takes::value, true, "",
     [](S s, A a) {
       s.pictures.push_back({PictureSource::Kind::list, a.path()});
     }},
    {"features", "FILE",
     "pictures that were encoded before, as `instructblip features` writes them: instead of "
     "--image",
     Takes::value, true, "", [](S s, A a) { s.features.push_back(a.path()); }},
    {"instruction", "TEXT",
     "what to answer about the picture; - reads it from standard input; BLIP-2 needs none; run and "
     "rank take several: each about every picture, which is encoded once",
     Takes::value, true, "", [](S s, A a) { s.instructions.push_back(a.text()); }},
    {"text", "TEXT",
     "what to tokenize, or to compare with pictures: match takes several; - reads standard input, "
     "match: a text on each line",
     Takes::value, true, "", [](S s, A a) { s.texts.push_back(a.text()); }},
    {"candidate", "TEXT",
     "an answer whose probability is wanted; repeated; - reads standard input: one on each line",
     Takes::value, true, "", [](S s, A a) { s.candidates.push_back(a.text()); }},
    {"by", "sum|mean",
     "rank by the log probability of the whole candidate or of its mean token; default sum",
     Takes::value, false, "", [](S s, A a) { s.rank.by = a.one_of(kRankBy); }},
    {"end-token", "true|false",
     "whether the end of the answer counts too; default true, but for LLaMA with --compat lavis",
     Takes::value, false, "", [](S s, A a) { s.rank.end_token = a.boolean(); }},
    {"output", "FILE", "the safetensors file to write; convert: the directory", Takes::value, false,
     "", [](S s, A a) { s.output = a.path(); }},

    {"max-new-tokens", "N", "most tokens of the answer, 1 to 4096; default 256", Takes::value,
     false, "", [](S s, A a) { s.generation.max_new_tokens = a.integer(); }},
    {"min-new-tokens", "N", "fewest tokens before the end token may come; default 0", Takes::value,
     false, "", [](S s, A a) { s.generation.min_new_tokens = a.integer(); }},
    {"num-beams", "N", "width of the beam search, 1 to 64; default 1, greedy", Takes::value, false,
     "", [](S s, A a) { s.generation.num_beams = a.integer(); }},
    {"length-penalty", "X", "exponent on the length that divides a beam's score; default 1",
     Takes::value, false, "", [](S s, A a) { s.generation.length_penalty = a.number(); }},
    {"early-stopping", "true|false|never",
     "end the beam search when enough answers are complete; default false, alone true",
     Takes::optional_value, false, "",
     [](S s, A a) { s.generation.early_stopping = a.one_of(kEarlyStopping); }},
    {"repetition-penalty", "X", "above 1 discourages tokens that have occurred; default 1",
     Takes::value, false, "", [](S s, A a) { s.generation.repetition_penalty = a.number(); }},
    {"no-repeat-ngram-size", "N", "no run of N tokens occurs twice; default 0, off", Takes::value,
     false, "", [](S s, A a) { s.generation.no_repeat_ngram_size = a.integer(); }},
    {"bad-words-ids", "IDS",
     "token ids, with commas, that may not stand together in this order; repeated: none of such "
     "runs; none: not even those that the model's files ban",
     Takes::value, true, "",
     [](S s, A a) {
       auto& runs = s.generation.bad_words_ids;
       if (!runs) runs.emplace();
       if (const auto ids = a.token_ids(); !ids.empty()) runs->push_back(ids);
     }},
    {"suppress-tokens", "IDS",
     "token ids, with commas, that the answer may not hold; none: not even the model's own",
     Takes::value, false, "", [](S s, A a) { s.generation.suppress_tokens = a.token_ids(); }},
    {"begin-suppress-tokens", "IDS",
     "token ids, with commas, that may not come first; none: not even the model's own",
     Takes::value, false, "", [](S s, A a) { s.generation.begin_suppress_tokens = a.token_ids(); }},
    {"num-return-sequences", "N", "answers to each request, best first, one a line; default 1",
     Takes::value, false, "", [](S s, A a) { s.generation.num_return_sequences = a.integer(); }},
    {"do-sample", "true|false", "draw instead of taking the best; default false, alone true",
     Takes::optional_value, false, "", [](S s, A a) { s.generation.do_sample = a.boolean(); }},
    {"temperature", "X", "below 1 sharpens the distribution, 0 is --do-sample=false; default 1",
     Takes::value, false, "", [](S s, A a) { s.generation.temperature = a.number(); }},
    {"top-k", "N", "draw from the N likeliest tokens; default 50, 0 = off", Takes::value, false, "",
     [](S s, A a) { s.generation.top_k = a.integer(); }},
    {"top-p", "X", "draw from the likeliest tokens that together have X; default 1, off",
     Takes::value, false, "", [](S s, A a) { s.generation.top_p = a.number(); }},
    {"min-p", "X", "draw from tokens at least X times as likely as the likeliest; default 0, off",
     Takes::value, false, "", [](S s, A a) { s.generation.min_p = a.number(); }},
    {"typical-p", "X", "draw from the most typical tokens that together have X; default 1, off",
     Takes::value, false, "", [](S s, A a) { s.generation.typical_p = a.number(); }},
    {"seed", "N", "seed of the draws; default: chosen at random, and reported by --json", Takes::value,
     false, "", [](S s, A a) { s.generation.seed = a.unsigned_integer(); }},
    {"stop", "TEXT", "end the answer before this text; repeated: before any of them", Takes::value,
     true, "", [](S s, A a) { s.generation.stop.push_back(a.text()); }},
    {"stop-at-tokenizer-eos", "", "stop at the tokenizer's end token besides text_config's",
     Takes::nothing, false, "", [](S s, A) { s.generation.stop_at_tokenizer_eos = true; }},
    {"logprobs", "", "with --json: the log probability of each token", Takes::nothing, false, "",
     [](S s, A) { s.generation.logprobs = true; }},

    {"compat", "hf|lavis",
     "whose answers to give: transformers' or those of LAVIS, the authors' code, with its "
     "defaults; "
     "default hf",
     Takes::value, false, "", [](S s, A a) { s.load.compat = a.one_of(kCompat); }},
    {"geometry", "squash|crop",
     "with --compat lavis, how a picture becomes a square: blip_image_eval or clip_image_eval; "
     "default squash",
     Takes::value, false, "", [](S s, A a) { s.load.geometry = a.one_of(kGeometries); }},
    {"resize", "auto|pillow13|pillow12|torchvision",
     "whose bicubic filter pixels are equal to; default auto: as transformers does with this "
     "checkpoint",
     Takes::value, false, "", [](S s, A a) { s.load.resize = a.one_of(kResizeModes); }},
    {"exif", "apply|ignore",
     "whether to turn the picture as its file says; default apply, with --compat lavis ignore",
     Takes::value, false, "", [](S s, A a) { s.decode.exif = a.one_of(kExif); }},
    {"background", "drop|white", "what is done about transparency; default drop", Takes::value,
     false, "", [](S s, A a) { s.decode.background = a.one_of(kBackgrounds); }},
    {"max-pixels", "N",
     "refuse pictures with more, before memory is taken for them; default 178956970, as Pillow",
     Takes::value, false, "",
     [](S s, A a) { s.decode.max_pixels = a.count(); }},
    {"max-side", "N", "refuse pictures with a longer side; default 1048576", Takes::value, false,
     "", [](S s, A a) { s.decode.max_side = a.integer(); }},
    {"max-bytes", "SIZE",
     "refuse larger picture files, in bytes or with KB, MB or GB; default 640 MiB", Takes::value,
     false, "", [](S s, A a) { s.decode.max_bytes = a.bytes(); }},
    {"interpolate-pos-encoding", "",
     "resize the position table to the picture size of preprocessor_config.json", Takes::nothing,
     false, "", [](S s, A) { s.load.interpolate_pos_encoding = true; }},
    {"max-shard-size", "SIZE", "of tensors in one file, in bytes or with KB, MB or GB; default 4GB",
     Takes::value, false, "", [](S s, A a) { s.convert.max_shard_bytes = a.bytes(); }},
    {"dtype", "auto|f32|f16|bf16|q8|q4",
     "how weights are held in memory, q8 and q4: the language model's in 8 or 4 bits; convert: how "
     "they are written, auto as they are stored, q8 and q4 not; default auto",
     Takes::value, false, "", [](S s, A a) { s.load.precision = a.one_of(kPrecisions); }},
    {"device", "auto|cpu|cuda[:N]", "where to run; default auto", Takes::value, false, "",
     [](S s, A a) { s.load.device = device(a); }},
    {"threads", "N", "number of compute threads; default 0, the physical cores allowed to the process",
     Takes::value, false, "", [](S s, A a) { s.load.threads = a.integer(); }},
    {"cache", "SIZE",
     "size of the cache of encoded pictures, in bytes or with KB, MB or GB; default 256 MiB, 0 = "
     "none",
     Takes::value, false, "", [](S s, A a) { s.load.cache_bytes = a.bytes(0); }},
    {"numerics", "reference|deterministic|fast",
     "whether answers are the reference's, to the bit the same in any batch, or computed by other "
     "kernels that add up in another order; default reference",
     Takes::value, false, "", [](S s, A a) { s.load.numerics = a.one_of(kNumerics); }},
    {"deterministic", "", "--numerics deterministic: the same bits in any batch; slower",
     Takes::nothing, false, "", [](S s, A) { s.load.deterministic = true; }},
    {"kernels", "LIST",
     "kernels to force, OPERATION=KERNEL with commas between; `instructblip doctor` lists them",
     Takes::value, false, "", [](S s, A a) { s.load.kernels = a.text(); }},

    {"keep-going", "",
     "report a picture that cannot be answered about, go on, and end with exit code 3",
     Takes::nothing, false, "", [](S s, A) { s.keep_going = true; }},
    {"names", "true|false",
     "begin each line of text with its picture, and with the instruction where there are several, "
     "and a tab behind each; alone true; default: as needed to tell answers apart",
     Takes::optional_value, false, "", [](S s, A a) { s.names = a.boolean(); }},
    {"json", "", "print one JSON object on one line, run: for each request, match: for each pair",
     Takes::nothing, false, "", [](S s, A) { s.json = true; }},
    {"tensors", "", "list every tensor as well", Takes::nothing, false, "",
     [](S s, A) { s.tensors = true; }},
    {"quiet", "", "print no warnings and no progress", Takes::nothing, false, "",
     [](S s, A) { s.quiet = true; }},
    {"verbose", "", "print what was loaded and a table of timings to standard error",
     Takes::nothing, false, "v", [](S s, A) { s.verbose = true; }},
});

const std::vector<CommandRow> kCommands = {
    {"run",
     "--model DIR (--image FILE | --features FILE) [--instruction TEXT]",
     "answer an instruction about a picture",
     {"model",
      "language-model",
      "overlay",
      "lora",
      "ignore-unexpected",
      "image",
      "images-from",
      "features",
      "instruction",
      "max-new-tokens",
      "min-new-tokens",
      "num-beams",
      "length-penalty",
      "early-stopping",
      "repetition-penalty",
      "no-repeat-ngram-size",
      "bad-words-ids",
      "suppress-tokens",
      "begin-suppress-tokens",
      "num-return-sequences",
      "do-sample",
      "temperature",
      "top-k",
      "top-p",
      "min-p",
      "typical-p",
      "seed",
      "stop",
      "stop-at-tokenizer-eos",
      "logprobs",
      "compat",
      "geometry",
      "resize",
      "exif",
      "background",
      "max-pixels",
      "max-side",
      "max-bytes",
      "interpolate-pos-encoding",
      "dtype",
      "device",
      "threads",
      "cache",
      "numerics",
      "deterministic",
      "kernels",
      "keep-going",
      "names",
      "json",
      "quiet",
      "verbose"},
     {"model"},
     run_command},
    {"rank",
     "--model DIR --image FILE [--instruction TEXT] --candidate TEXT",
     "say how likely given answers are, most likely first",
     {"model",      "language-model", "overlay",     "lora",      "ignore-unexpected",
      "image",      "images-from",    "instruction", "candidate", "by",
      "end-token",  "compat",         "geometry",    "resize",    "exif",
      "background", "max-pixels",     "max-side",    "max-bytes", "interpolate-pos-encoding",
      "dtype",      "device",         "threads",     "numerics",  "deterministic",
      "kernels",    "keep-going",     "json",        "quiet"},
     {"model", "image", "candidate"},
     rank_command},
    {"match",
     "--model DIR --image FILE --text TEXT",
     "say how well texts describe pictures, with a BLIP-2 model for retrieval",
     {"model",         "overlay",     "lora",       "ignore-unexpected",
      "image",         "images-from", "text",       "compat",
      "geometry",      "resize",      "exif",       "background",
      "max-pixels",    "max-side",    "max-bytes",  "interpolate-pos-encoding",
      "dtype",         "device",      "threads",    "numerics",
      "deterministic", "kernels",     "keep-going", "json",
      "quiet"},
     {"model", "image", "text"},
     match_command},
    {"features",
     "--model DIR --image FILE [--instruction TEXT] --output FILE",
     "write what each stage computes as float32 safetensors",
     {"model",
      "language-model",
      "overlay",
      "lora",
      "ignore-unexpected",
      "image",
      "images-from",
      "instruction",
      "output",
      "compat",
      "geometry",
      "resize",
      "exif",
      "background",
      "max-pixels",
      "max-side",
      "max-bytes",
      "interpolate-pos-encoding",
      "dtype",
      "device",
      "threads",
      "quiet"},
     {"model", "image", "output"},
     features_command},
    {"convert",
     "--model DIR --output DIR",
     "write a model, with all that is laid over it, as one directory of safetensors",
     {"model", "language-model", "overlay", "lora", "ignore-unexpected", "output", "dtype",
      "max-shard-size", "threads", "json", "quiet"},
     {"model", "output"},
     convert_command},
    {"info",
     "--model DIR",
     "describe a checkpoint",
     {"model", "language-model", "overlay", "lora", "ignore-unexpected", "compat", "dtype",
      "device", "threads", "json", "tensors", "quiet"},
     {"model"},
     info_command},
    {"tokenize",
     "--model DIR --text TEXT",
     "print the token ids of a text as the model is fed them",
     {"model", "language-model", "overlay", "lora", "ignore-unexpected", "text", "compat", "json",
      "quiet"},
     {"model", "text"},
     tokenize_command},
    {"doctor",
     "[--kernels LIST]",
     "describe this machine and what of the library runs on it",
     {"kernels", "json"},
     {},
     doctor_command},
    {"bench",
     "(--model DIR | --synthetic NAMES)",
     "time the stages of models, and say how far from this machine's limits they are",
     {"model",   "synthetic", "layers",     "stages",        "dtype",       "threads", "pictures",
      "prompt",  "rows",      "new-tokens", "warm-up",       "repetitions", "seconds", "read-size",
      "compare", "device",    "numerics",   "deterministic", "kernels",     "json",    "quiet"},
     {},
     bench_command,
     bench_option_rows()},
};

}  // namespace

std::span<const OptionRow> option_rows() { return kRows; }
std::span<const CommandRow> command_rows() { return kCommands; }

const OptionRow& option_row(const CommandRow& command, std::string_view name) {
  const auto own = std::ranges::find(command.own, name, &OptionRow::name);
  if (own != command.own.end()) return *own;
  return *std::ranges::find(kRows, name, &OptionRow::name);
}

const CommandRow* find_command(std::string_view name) {
  const auto found = std::ranges::find(kCommands, name, &CommandRow::name);
  return found == kCommands.end() ? nullptr : &*found;
}

std::string_view name_of(ResizeMode mode) { return name_in(kResizeModes, mode); }
std::string_view name_of(ExifOrientation exif) { return name_in(kExif, exif); }
std::string_view name_of(AlphaBackground background) { return name_in(kBackgrounds, background); }

}  // namespace instructblip::cli
