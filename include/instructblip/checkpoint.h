/// Checkpoints: how they are loaded, and what they hold.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "instructblip/device.h"
#include "instructblip/error.h"
#include "instructblip/export.h"
#include "instructblip/image.h"

namespace instructblip {

/// Whose behaviour is followed where the references differ; docs/compatibility.md lists all of it.
enum class Compat {
  hf,     ///< transformers 4.57.3
  lavis,  ///< LAVIS, the authors' code, as it runs on a CPU; BLIP families only
};

/// The enumerator's name.
INSTRUCTBLIP_API std::string_view to_string(Compat compat) noexcept;
INSTRUCTBLIP_API std::string_view to_string(Numerics numerics) noexcept;

/// How a picture that is not square becomes one.
enum class Geometry {
  squash,  ///< both sides are resized: LAVIS's blip_image_eval, which its models come with
  crop,    ///< the shorter side is resized, the middle kept: its clip_image_eval, for benchmarks
};

/// How a checkpoint is loaded. The defaults give transformers' float32 answers.
struct LoadOptions {
  Device device = {};
  Precision precision = Precision::automatic;
  /// Number of compute threads, shared by all calls. 0 = the physical cores allowed to the process,
  /// or one for a checkpoint of less than 64 MiB, which more threads would only slow down.
  int threads = 0;
  /// Keep each compute thread on a physical core of its own, one that the fewest threads of other
  /// pinned pipelines of this process stay on. For an engine that has the machine to itself: with
  /// another busy process on one of those cores all of them wait for that one. More threads than
  /// cores are an error. Beside a device these are the threads that resize pictures.
  bool pin = false;
  /// lavis: its rounding of weights, its norm, pixels, cutting of long texts, defaults of decoding
  /// and beam search.
  Compat compat = Compat::hf;
  /// With Compat::lavis; Compat::hf does what preprocessor_config.json says. Default: squash.
  std::optional<Geometry> geometry = {};
  ResizeMode resize = ResizeMode::automatic;  ///< whose bicubic filter pixels are equal to
  /// Resize the vision encoder's position table to the picture size that the preprocessor asks for;
  /// without it, a size other than the encoder's is an error.
  bool interpolate_pos_encoding = false;
  /// false: check every tensor's name, type and shape, but read no values. Fast and small, and
  /// enough for info() and tokenize(); every other function throws Error(invalid_argument).
  bool weights = true;
  /// false: read weights into memory instead of mapping the files. A mapped file must stay as it is
  /// while the model is in use: replace it by renaming a new one to its name. Where one is cut
  /// short or written over in place, the system ends the process (SIGBUS), or answers change.
  bool mmap = true;
  /// How parts of the model are held where that differs from Precision::q8 or q4: for each a module
  /// (vision, qformer, projection, language, head), an equals sign and half (16 bits, bf16 where a
  /// weight is stored so, else f16), f32, bf16, q8 or q4, with commas between them:
  /// "vision=q8,head=half". Only with those two.
  std::string policy = {};
  /// Which results operations may give; what each costs is in docs/performance.md.
  Numerics numerics = Numerics::automatic;
  /// The same as Numerics::deterministic; refused beside Numerics::fast.
  bool deterministic = false;
  /// Kernels to force, by operation: "linear=reference,paged_attention=portable". Empty: the best
  /// that fit. `instructblip doctor` lists them; the environment variable
  /// INSTRUCTBLIP_KERNELS forces those of operations that are not named here.
  std::string kernels = {};
  /// Capacity of both caches together, see CacheReport; behind ViT-g a picture takes about 2 MB.
  /// 0 = no cache.
  std::int64_t cache_bytes = 256 << 20;
  /// Weights from elsewhere, over those of the checkpoint directory, which then may hold some or
  /// none. Every tensor is accounted for: one that is missing, of another shape or of no part of
  /// the model is an error that names it and its file.
  ///
  /// A directory with a language model alone (Vicuna, Flan-T5, OPT), used instead of whatever the
  /// checkpoint holds of one.
  std::optional<std::filesystem::path> language_model = {};
  /// Files (.pth, .bin, .pt, .safetensors) or directories with weights by the names of LAVIS or of
  /// transformers, the whole model's or the language model's own; laid over what came before, so
  /// that the last one wins.
  std::vector<std::filesystem::path> overlays = {};
  /// Directories of PEFT LoRA adapters (adapter_config.json, adapter_model.safetensors or .bin),
  /// trained on the whole model or on its language model alone. Merged in this order as peft does
  /// it, in float32.
  std::vector<std::filesystem::path> adapters = {};
  /// Leave tensors that belong to no part of the model aside, with a warning, instead of refusing
  /// the files.
  bool ignore_unexpected = false;
  /// Called with bytes done and in all while weights are read; on the loading thread.
  std::function<void(std::int64_t done, std::int64_t total)> progress = {};
};

/// A tensor of the checkpoint, for listings.
struct TensorInfo {
  std::string name;
  std::string dtype;  ///< as stored: "F32", "F16", "BF16", "F64", "Q8", "Q4"
  std::vector<std::int64_t> shape;
  std::string file;  ///< with its directory where weights come from several places
};

/// The matrices of a part of the model in memory.
struct ModuleInfo {
  std::string name;  ///< "vision", "qformer", "projection", "language", "head", "tables" of words
  std::int64_t parameters = 0;
  std::int64_t bytes = 0;
  std::string precision;  ///< how they are held, most of them: "f32", "f16", "bf16", "q8", "q4"
};

/// What was loaded.
struct ModelInfo {
  std::string family;                ///< model_type of config.json
  std::string language_model;        ///< "t5", "llama" or "opt"
  bool pictures_are_frames = false;  ///< a video model: several pictures make one request
  bool needs_instruction = true;     ///< false: BLIP-2, where an empty one means none
  std::string device;                ///< "cpu", "cuda:0"
  std::string device_reason;         ///< why DeviceType::automatic took the processor; else empty
  std::string precision;  ///< how weights are held, most of them: "f32", "f16", "bf16", "q8", "q4"
  std::string policy;     ///< LoadOptions::policy, all of it; empty without q8 or q4
  /// Whether any module is held in 8 or 4 bits, or any weight was stored in them: no answer ends
  /// before it has a text then, since what was rounded away cannot be told.
  bool quantised = false;
  std::vector<ModuleInfo> modules;  ///< the parts that have matrices
  /// Whether the processor's products may round what weights are multiplied with, to bf16 where
  /// these are and to 8 or 16 bits where they have 8 or 4: with numerics fast where
  /// Precision::bf16, q8 or q4 was asked for, or is how the checkpoint was quantised.
  bool rounds_rows = false;
  Numerics numerics = Numerics::reference;  ///< as it took effect, never `automatic`
  Compat compat = Compat::hf;               ///< as asked for
  std::int64_t parameters = 0;
  std::int64_t weight_bytes = 0;  ///< in memory, once they are read
  int threads = 0;
  bool deterministic = false;                ///< whether numerics are
  int image_height = 0, image_width = 0;     ///< pixels of pixel_values
  ResizeMode resize = ResizeMode::pillow13;  ///< the mode that took effect, never automatic
  int image_positions = 0;                   ///< rows that the vision encoder outputs
  int vision_layers = 0, vision_width = 0;
  int query_tokens = 0, qformer_layers = 0, qformer_width = 0;  ///< 0 without a Q-Former
  int language_layers = 0, language_width = 0;                  ///< layers of the decoder
  int vocabulary = 0;                                           ///< rows of the head
  /// Most instruction tokens that the Q-Former reads, [CLS] and [SEP] counted; 0: it reads none.
  int max_instruction_tokens = 0;
  int shared_width = 0;  ///< width of the space in which a model for retrieval compares; else 0
  std::vector<std::int32_t> stop_tokens;
  std::vector<TensorInfo> tensors;
  double load_ms = 0;
};

/// How a checkpoint is written.
struct ConvertOptions {
  /// Most bytes of tensors in one file; more of them make shards and an index.
  std::int64_t max_shard_bytes = 4'000'000'000;
};

/// What was written.
struct ConvertReport {
  int tensors = 0, files = 0;  ///< files with tensors
  std::int64_t bytes = 0;      ///< bytes of tensors
};

/// Writes any model that Pipeline or ImageTextMatcher loads, with all that `options` lays over it,
/// as one directory in Hugging Face's layout: safetensors under the names of transformers,
/// config.json, tokenizers and image settings. `options.precision` is the type of the values:
/// automatic leaves them as they are stored, and those that an adapter changes become float32.
/// Tensors go from file to file one by one. The directory appears under its name when it is whole;
/// nothing is ever replaced.
/// Errors: as Pipeline::load(); invalid_argument where `output` exists and is not empty; io.
INSTRUCTBLIP_API ConvertReport convert(const std::filesystem::path& checkpoint_dir,
                                       const std::filesystem::path& output,
                                       const LoadOptions& options = {},
                                       const ConvertOptions& how = {});

}  // namespace instructblip
