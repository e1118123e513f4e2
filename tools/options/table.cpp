#include <algorithm>
#include <array>
#include <charconv>
#include <utility>
#include <vector>

#include "options/option.h"

namespace instructblip::options {
namespace {

template <typename T>
using Choices = std::vector<std::pair<std::string_view, T>>;

const Choices<ResizeMode> kResizeModes = {{"auto", ResizeMode::automatic},
                                          {"pillow13", ResizeMode::pillow13},
                                          {"pillow12", ResizeMode::pillow12},
                                          {"torchvision", ResizeMode::torchvision}};
const Choices<Compat> kCompat = {{"hf", Compat::hf}, {"lavis", Compat::lavis}};
const Choices<Geometry> kGeometries = {{"squash", Geometry::squash}, {"crop", Geometry::crop}};
const Choices<FrameSampling> kSamplings = {{"uniform", FrameSampling::uniform},
                                           {"headtail", FrameSampling::headtail}};
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
const Choices<Numerics> kNumerics = {{"auto", Numerics::automatic},
                                     {"reference", Numerics::reference},
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

// Name, group, kind, value, default, help, and what it sets; then what only some options have.
constexpr auto kTable = std::to_array<Option>({
    {"model", Group::model, Kind::path, "DIR", "",
     "a Hugging Face directory: config.json, *.safetensors, tokenizers",
     [](S s, A a) { s.model = a.path(); }},
    {"language-model", Group::model, Kind::path, "DIR", "",
     "a directory with the language model alone, used instead of what --model holds of one",
     [](S s, A a) { s.load.language_model = a.path(); }},
    {"overlay", Group::model, Kind::path, "FILE", "",
     "weights to lay over those of --model, by the names of LAVIS or transformers: .pth, .bin, "
     ".safetensors or a directory; repeated: the last one wins",
     [](S s, A a) { s.load.overlays.emplace_back(a.path()); }, kRepeats},
    {"lora", Group::model, Kind::path, "DIR", "",
     "a LoRA adapter of PEFT to merge into the weights; repeated: one after the other",
     [](S s, A a) { s.load.adapters.emplace_back(a.path()); }, kRepeats},
    {"ignore-unexpected", Group::model, Kind::flag, "", "",
     "leave tensors aside that belong to no part of the model, and say so",
     [](S s, A) { s.load.ignore_unexpected = true; }},

    {"image", Group::request, Kind::path, "FILE", "",
     "JPEG, PNG, GIF, WebP, BMP, TIFF, JPEG 2000 or PNM; - reads it from standard input, a folder "
     "stands for its pictures; several are one request each, in order, or one request together: "
     "the frames of a video model, or as many as the instruction has <image>",
     [](S s, A a) {
       s.pictures.push_back({PictureSource::Kind::picture, a.path()});
     },
     kRepeats},
    {"images-from", Group::request, Kind::path, "FILE", "",
     "names of pictures and folders, one a line, as if each stood behind --image; - reads standard "
     "input",
     [](S s, A a) {
       s.pictures.push_back({PictureSource::Kind::list, a.path()});
     },
     kRepeats},
    {"features", Group::request, Kind::path, "FILE", "",
     "pictures that were encoded before, as `instructblip features` writes them: instead of "
     "--image",
     [](S s, A a) { s.features.push_back(a.path()); }, kRepeats},
    {"instruction", Group::request, Kind::text, "TEXT", "",
     "what to answer about the picture; - reads it from standard input; BLIP-2 needs none; run and "
     "rank take several: each about every picture, which is encoded once",
     [](S s, A a) { s.instructions.push_back(a.text()); }, kRepeats},
    {"text", Group::request, Kind::text, "TEXT", "",
     "a text to compare with pictures or to tokenize; - reads standard input; match takes several, "
     "and reads one on each line",
     [](S s, A a) { s.texts.push_back(a.text()); }, kRepeats},
    {"candidate", Group::request, Kind::text, "TEXT", "",
     "an answer whose probability is wanted; repeated; - reads standard input: one on each line",
     [](S s, A a) { s.candidates.push_back(a.text()); }, kRepeats},
    {"spelling", Group::request, Kind::text, "CANDIDATE=TEXT", "",
     "another word for a candidate, whose probability is added to its own; repeated",
     [](S s, A a) {
       const std::string text = a.text();
       const std::size_t equals = text.find('=');
       if (equals == std::string::npos) a.fail("CANDIDATE=TEXT, such as yes=true");
       s.task.spellings.emplace_back(text.substr(0, equals), text.substr(equals + 1));
     },
     kRepeats},
    {"without-picture", Group::request, Kind::number, "X", "0",
     "take X times the score that a candidate has without the picture from its score; 1 is "
     "pointwise mutual information",
     [](S s, A a) { s.rank.without_picture = a.number(); }},
    {"question", Group::request, Kind::text, "TEXT", "",
     "what to ask about the picture; - reads standard input: one on each line; repeated: each "
     "about "
     "every picture",
     [](S s, A a) { s.task.questions.push_back(a.text()); }, kRepeats},
    {"answer", Group::request, Kind::text, "TEXT", "",
     "an answer that is given, to be scored, explained or asked for; score and question take "
     "several, "
     "and read one on each line of standard input for -",
     [](S s, A a) { s.task.answers.push_back(a.text()); }, kRepeats},
    {"method", Group::request, Kind::choice, "leave-out|gradcam", "leave-out",
     "what each token rests on: how much less likely it is without each query, or the gradients of "
     "its log probability, of a small model on the processor",
     [](S s, A a) {
       s.task.gradcam = a.one_of(Choices<bool>{{"leave-out", false}, {"gradcam", true}});
     }},
    {"template", Group::request, Kind::integer, "N", "",
     "number of the paper's template, see docs/tasks.md; default 1 of 13 for captions, 5 of 10 for "
     "questions, 1 of 6 to ask for one",
     [](S s, A a) { s.task.number = a.integer(); }},
    {"preset", Group::request, Kind::text, "NAME", "",
     "options under a name, over which those that are given have precedence: caption, vqa, "
     "detailed, paper or lavis, see docs/tasks.md; default that of the command",
     [](S s, A a) { s.task.preset = a.text(); }},
    {"ocr", Group::request, Kind::text, "TEXT", "",
     "a piece of text in the picture, told in front of what is asked; repeated",
     [](S s, A a) { s.task.ocr_tokens.push_back(a.text()); }, kRepeats},
    {"qformer-text", Group::request, Kind::text, "TEXT", "",
     "what the Q-Former reads in the place of the instruction",
     [](S s, A a) { s.task.qformer_text = a.text(); }},
    {"xlt", Group::request, Kind::text, "LANGUAGE", "",
     "put a question of this language, by its English name, in the words of cross-lingual-thought "
     "prompting",
     [](S s, A a) { s.task.language = a.text(); }},
    {"input", Group::request, Kind::path, "FILE|DIR", "",
     "the requests, an object on each line, or a folder of pictures; may stand alone",
     [](S s, A a) { s.task.input = a.path(); }},
    {"recipe", Group::request, Kind::text, "NAME|FILE", "",
     "how the data set is put and measured: gqa, nocaps, ..., see docs/tasks.md, or a file like "
     "those "
     "in tools/recipes",
     [](S s, A a) { s.task.recipe = a.text(); }},
    {"data", Group::request, Kind::path, "FILE", "",
     "the data set, an object on each line; - reads standard input",
     [](S s, A a) { s.task.data = a.path(); }},
    {"by", Group::request, Kind::choice, "sum|mean", "sum",
     "rank by the log probability of the whole candidate or of its mean token",
     [](S s, A a) { s.rank.by = a.one_of(kRankBy); }},
    {"end-token", Group::request, Kind::choice, "true|false", "",
     "whether the end of the answer counts too; default true, but for LLaMA with --compat lavis",
     [](S s, A a) { s.rank.end_token = a.boolean(); }},

    {"video", Group::video, Kind::path, "FILE", "",
     "a video file, or a folder with its frames as pictures, of which some are looked at together: "
     "instead of --image; repeated: a request each; for InstructBLIP and InstructBLIP-Video",
     [](S s, A a) {
       s.pictures.push_back({PictureSource::Kind::video, a.path()});
     },
     kRepeats},
    {"frames", Group::video, Kind::integer, "N", "4",
     "number of frames of a video that are looked at, 1 to 1024",
     [](S s, A a) { s.video.frames = a.integer(); }},
    {"sampling", Group::video, Kind::choice, "uniform|headtail", "uniform",
     "which they are: at even distances from the first one on, or half of them drawn from each "
     "half "
     "of the video",
     [](S s, A a) { s.video.sampling = a.one_of(kSamplings); }},
    {"frame-seed", Group::video, Kind::integer, "N", "42", "seed of the draws of headtail",
     [](S s, A a) { s.video.seed = a.unsigned_integer(); }},

    {"max-new-tokens", Group::answer, Kind::integer, "N", "256",
     "most tokens of the answer, 1 to 4096",
     [](S s, A a) { s.generation.max_new_tokens = a.integer(); }},
    {"min-new-tokens", Group::answer, Kind::integer, "N", "0",
     "fewest tokens before the end token may come",
     [](S s, A a) { s.generation.min_new_tokens = a.integer(); }},
    {"num-beams", Group::answer, Kind::integer, "N", "1",
     "width of the beam search, 1 to 64; 1 is greedy",
     [](S s, A a) { s.generation.num_beams = a.integer(); }},
    {"length-penalty", Group::answer, Kind::number, "X", "1",
     "exponent on the length that divides a beam's score",
     [](S s, A a) { s.generation.length_penalty = a.number(); }},
    {"early-stopping", Group::answer, Kind::choice, "true|false|never", "false",
     "end the beam search when enough answers are complete; alone true",
     [](S s, A a) { s.generation.early_stopping = a.one_of(kEarlyStopping); }, kStandsAlone},
    {"repetition-penalty", Group::answer, Kind::number, "X", "1",
     "above 1 discourages tokens that have occurred",
     [](S s, A a) { s.generation.repetition_penalty = a.number(); }},
    {"no-repeat-ngram-size", Group::answer, Kind::integer, "N", "0",
     "no run of N tokens occurs twice; 0 is off",
     [](S s, A a) { s.generation.no_repeat_ngram_size = a.integer(); }},
    {"bad-words-ids", Group::answer, Kind::ids, "IDS", "",
     "token ids, with commas, that may not stand together in this order; repeated: none of such "
     "runs; none: not even those that the model's files ban",
     [](S s, A a) {
       auto& runs = s.generation.bad_words_ids;
       if (!runs) runs.emplace();
       if (const auto ids = a.token_ids(); !ids.empty()) runs->push_back(ids);
     },
     kRepeats},
    {"suppress-tokens", Group::answer, Kind::ids, "IDS", "",
     "token ids, with commas, that the answer may not hold; none: not even the model's own",
     [](S s, A a) { s.generation.suppress_tokens = a.token_ids(); }},
    {"begin-suppress-tokens", Group::answer, Kind::ids, "IDS", "",
     "token ids, with commas, that may not come first; none: not even the model's own",
     [](S s, A a) { s.generation.begin_suppress_tokens = a.token_ids(); }},
    {"num-return-sequences", Group::answer, Kind::integer, "N", "1",
     "answers to each request, best first, one a line",
     [](S s, A a) { s.generation.num_return_sequences = a.integer(); }},
    {"do-sample", Group::answer, Kind::choice, "true|false", "false",
     "draw instead of taking the best; alone true",
     [](S s, A a) { s.generation.do_sample = a.boolean(); }, kStandsAlone},
    {"temperature", Group::answer, Kind::number, "X", "1",
     "below 1 sharpens the distribution, 0 is --do-sample=false",
     [](S s, A a) { s.generation.temperature = a.number(); }},
    {"top-k", Group::answer, Kind::integer, "N", "50", "draw from the N likeliest tokens; 0 is off",
     [](S s, A a) { s.generation.top_k = a.integer(); }},
    {"top-p", Group::answer, Kind::number, "X", "1",
     "draw from the likeliest tokens that together have X; 1 is off",
     [](S s, A a) { s.generation.top_p = a.number(); }},
    {"min-p", Group::answer, Kind::number, "X", "0",
     "draw from tokens at least X times as likely as the likeliest; 0 is off",
     [](S s, A a) { s.generation.min_p = a.number(); }},
    {"typical-p", Group::answer, Kind::number, "X", "1",
     "draw from the most typical tokens that together have X; 1 is off",
     [](S s, A a) { s.generation.typical_p = a.number(); }},
    {"seed", Group::answer, Kind::integer, "N", "",
     "seed of the draws; else one is chosen at random, and reported by --json",
     [](S s, A a) { s.generation.seed = a.unsigned_integer(); }},
    {"stop", Group::answer, Kind::text, "TEXT", "",
     "end the answer before this text; repeated: before any of them",
     [](S s, A a) { s.generation.stop.push_back(a.text()); }, kRepeats},
    {"stop-at-tokenizer-eos", Group::answer, Kind::flag, "", "",
     "stop at the tokenizer's end token besides text_config's",
     [](S s, A) { s.generation.stop_at_tokenizer_eos = true; }},

    {"compat", Group::pictures, Kind::choice, "hf|lavis", "hf",
     "whose answers to give: transformers' or those of LAVIS, the authors' code, with its defaults",
     [](S s, A a) { s.load.compat = a.one_of(kCompat); }},
    {"geometry", Group::pictures, Kind::choice, "squash|crop", "squash",
     "with --compat lavis, how a picture becomes a square: blip_image_eval or clip_image_eval",
     [](S s, A a) { s.load.geometry = a.one_of(kGeometries); }},
    {"resize", Group::pictures, Kind::choice, "auto|pillow13|pillow12|torchvision", "auto",
     "whose bicubic filter pixels are equal to; auto: as transformers does with this checkpoint",
     [](S s, A a) { s.load.resize = a.one_of(kResizeModes); }},
    {"exif", Group::pictures, Kind::choice, "apply|ignore", "",
     "whether to turn the picture as its file says; default apply, with --compat lavis ignore",
     [](S s, A a) { s.decode.exif = a.one_of(kExif); }},
    {"background", Group::pictures, Kind::choice, "drop|white", "drop",
     "what is done about transparency",
     [](S s, A a) { s.decode.background = a.one_of(kBackgrounds); }},
    {"max-pixels", Group::pictures, Kind::integer, "N", "178956970",
     "refuse pictures with more, as Pillow does, before memory is taken for them",
     [](S s, A a) { s.decode.max_pixels = a.count(); }},
    {"max-side", Group::pictures, Kind::integer, "N", "1048576",
     "refuse pictures with a longer side", [](S s, A a) { s.decode.max_side = a.integer(); }},
    {"max-bytes", Group::pictures, Kind::size, "SIZE", "640MiB", "refuse larger picture files",
     [](S s, A a) { s.decode.max_bytes = a.bytes(); }},
    {"interpolate-pos-encoding", Group::pictures, Kind::flag, "", "",
     "resize the position table to the picture size of preprocessor_config.json",
     [](S s, A) { s.load.interpolate_pos_encoding = true; }},

    {"dtype",
     Group::running,
     Kind::choice,
     "auto|f32|f16|bf16|q8|q4",
     "auto",
     "how weights are held in memory, q8 and q4: the language model's in 8 or 4 bits; bf16, q8 and "
     "q4: products of few bits where the processor has them",
     [](S s, A a) { s.load.precision = a.one_of(kPrecisions); },
     {.also = "weights", .field = "precision"}},
    {"policy", Group::running, Kind::list, "LIST", "",
     "parts of the model that are held otherwise than q8 or q4 have it, MODULE=BITS with commas "
     "between: vision, qformer, projection, language or head, half (16 bits), f32, bf16, q8 or q4",
     [](S s, A a) { s.load.policy = a.text(); }},
    {"device", Group::running, Kind::text, "auto|cpu|cuda[:N]", "auto", "where to run",
     [](S s, A a) { s.load.device = device(a); }},
    {"threads", Group::running, Kind::integer, "N", "0",
     "number of compute threads; 0: the physical cores allowed to the process",
     [](S s, A a) { s.load.threads = a.integer(); }},
    {"pin", Group::running, Kind::flag, "", "",
     "keep each compute thread on a core of its own, where no other process needs it",
     [](S s, A) { s.load.pin = true; }},
    {"cache", Group::running, Kind::size, "SIZE", "256MiB",
     "size of the cache of encoded pictures; 0 is none",
     [](S s, A a) { s.load.cache_bytes = a.bytes(0); }},
    {"numerics", Group::running, Kind::choice, "auto|reference|deterministic|fast", "auto",
     "whether operations are the reference's, give the same bits in any batch, or are kernels that "
     "add up in another order; auto: fast on a processor with AVX2, else reference",
     [](S s, A a) { s.load.numerics = a.one_of(kNumerics); }},
    {"deterministic", Group::running, Kind::flag, "", "",
     "--numerics deterministic: the same bits in any batch; slower",
     [](S s, A) { s.load.deterministic = true; }},
    {"kernels", Group::running, Kind::list, "LIST", "",
     "kernels to force, OPERATION=KERNEL with commas between; `instructblip doctor` lists them",
     [](S s, A a) { s.load.kernels = a.text(); }},

    {"output",
     Group::output,
     Kind::path,
     "FILE",
     "",
     "the file to write",
     [](S s, A a) { s.output = a.path(); },
     {.letter = 'o'}},
    {"resume", Group::output, Kind::flag, "", "",
     "keep the answers that the output has, and answer what is left",
     [](S s, A) { s.task.resume = true; }},
    {"html", Group::output, Kind::path, "FILE", "", "a page to write, which needs no other file",
     [](S s, A a) { s.task.html = a.path(); }},
    {"overlays", Group::output, Kind::path, "DIR", "",
     "a folder for heat maps as PNG: of all layers together, of each, and of each token",
     [](S s, A a) { s.task.overlays = a.path(); }},
    {"restore", Group::output, Kind::path, "FILE", "", "a conversation to go on with",
     [](S s, A a) { s.task.restore = a.path(); }},
    {"save", Group::output, Kind::path, "FILE", "", "where to write the conversation at its end",
     [](S s, A a) { s.task.save = a.path(); }},
    {"logprobs", Group::output, Kind::flag, "", "",
     "with --json: the log probability of each token",
     [](S s, A) { s.generation.logprobs = true; }},
    {"keep-going", Group::output, Kind::flag, "", "",
     "report a picture that cannot be answered about, go on, and end with exit code 3",
     [](S s, A) { s.keep_going = true; }},
    {"names", Group::output, Kind::choice, "true|false", "",
     "begin each line of text with its picture, and with the instruction where there are several, "
     "and a tab behind each; alone true; default: as needed to tell answers apart",
     [](S s, A a) { s.names = a.boolean(); }, kStandsAlone},
    {"json", Group::output, Kind::flag, "", "",
     "print JSON: an object on one line for each answer, or for all there is to say",
     [](S s, A) { s.json = true; }},
    {"tensors", Group::output, Kind::flag, "", "", "list every tensor as well",
     [](S s, A) { s.tensors = true; }},
    {"quiet", Group::output, Kind::flag, "", "", "print no warnings and no progress",
     [](S s, A) { s.quiet = true; }},
    {"verbose",
     Group::output,
     Kind::flag,
     "",
     "",
     "print what was loaded and a table of timings to standard error",
     [](S s, A) { s.verbose = true; },
     {.letter = 'v'}},
});

constexpr Option kNewDirectory = {"output",
                                  Group::output,
                                  Kind::path,
                                  "DIR",
                                  "",
                                  "the directory to write, which is not there yet",
                                  [](S s, A a) { s.output = a.path(); },
                                  {.letter = 'o'}};

constexpr auto kConversion = std::to_array<Option>({
    kNewDirectory,
    {"dtype", Group::output, Kind::choice, "auto|f32|f16|bf16", "auto",
     "how weights are written; auto: as they are stored",
     [](S s, A a) { s.load.precision = a.one_of(kPrecisions); }},
    {"max-shard-size",
     Group::output,
     Kind::size,
     "SIZE",
     "4GB",
     "size of the tensors in one file, at most",
     [](S s, A a) { s.convert.max_shard_bytes = a.bytes(); },
     {.field = "max_shard_bytes"}},
});

constexpr auto kQuantization = std::to_array<Option>({
    {"model", Group::model, Kind::path, "DIR", "",
     "the checkpoint, as `run` takes it; its option may be left out",
     [](S s, A a) { s.model = a.path(); }},
    kNewDirectory,
    {"weights", Group::output, Kind::choice, "q8|q4", "",
     "8 bits with a scale for each row, or 4 with a scale for each 32 columns",
     [](S s, A a) {
       s.load.precision = a.one_of<Precision>({{"q8", Precision::q8}, {"q4", Precision::q4}});
     }},
    {"max-shard-size",
     Group::output,
     Kind::size,
     "SIZE",
     "4GB",
     "size of the tensors in one file, at most",
     [](S s, A a) { s.quantize.max_shard_bytes = a.bytes(); },
     {.field = "max_shard_bytes"}},
    {"probes", Group::output, Kind::integer, "N", "8",
     "requests about made-up pictures by which what is written is compared with the checkpoint, 0 "
     "to 64; 0: the checkpoint is not loaded whole",
     [](S s, A a) { s.quantize.probes = a.integer(); }},
});

}  // namespace

std::span<const Option> quantization_table() { return kQuantization; }
std::span<const Option> table() { return kTable; }
std::span<const Option> conversion_table() { return kConversion; }

std::string_view name_of(ResizeMode mode) { return name_in(kResizeModes, mode); }
std::string_view name_of(ExifOrientation exif) { return name_in(kExif, exif); }
std::string_view name_of(AlphaBackground background) { return name_in(kBackgrounds, background); }

}  // namespace instructblip::options
