// Every bound on input, in one place: what it limits, its unit and why this number.
#pragma once

#include <cstdint>

namespace instructblip::limits {

// --- files and JSON
inline constexpr std::int64_t kConfigBytes = 16 << 20;      // bytes of one config or index file
inline constexpr std::int64_t kTokenizerBytes = 256 << 20;  // bytes of one tokenizer file
inline constexpr std::int64_t kHeaderBytes = 100'000'000;   // safetensors header, as the reference
inline constexpr int kJsonDepth = 64;                       // nesting of arrays and objects
inline constexpr std::int64_t kTokenBytes = 1024;           // one token; bounds encoding time
// Code points that a text has on its way through the normalizers of a tokenizer: sixteen times as
// many as the longest instruction.
inline constexpr std::int64_t kNormalizedCodes = 1 << 24;
inline constexpr std::int64_t kPatternCodes = 2000;  // characters of a literal one: time and memory
// What decoders make of one token: a thousand times as long as a token may be.
inline constexpr std::int64_t kDecodedTokenBytes = 1 << 20;

// --- files of torch.save(); the largest state_dict of the families here has some 2,000 tensors,
// each of which takes 20 values
inline constexpr std::int64_t kArchiveMembers = 1 << 17;   // in one zip archive
inline constexpr std::int64_t kPickleValues = 1 << 18;     // in one pickle, and its stack
inline constexpr std::int64_t kPickleMarks = 1 << 10;      // values inside one another
inline constexpr std::int64_t kPickleTextBytes = 1 << 26;  // one text: NumPy's arrays are such
inline constexpr std::int64_t kPickleNameBytes = 1 << 12;  // name of a tensor or storage
inline constexpr std::int64_t kPickleArguments = 16;       // in one call: a tensor has seven
inline constexpr std::int64_t kTensorRank = 8;
inline constexpr std::int64_t kPatternBytes = 256;  // one regular expression of an adapter
inline constexpr int kPatternDepth = 16;            // groups of it inside one another
// Sizes of the file that its tensors may take which are not stored in order: four names for one.
inline constexpr std::int64_t kReorderedFiles = 4;

// --- a chat template: the longest published ones have some 10,000 bytes
inline constexpr std::int64_t kTemplateBytes = 1 << 20;   // its source
inline constexpr std::int64_t kTemplateOutput = 4 << 20;  // bytes of any text that it makes
inline constexpr std::int64_t kTemplateSteps = 1 << 17;   // expressions and statements evaluated
inline constexpr std::int64_t kTemplateItems = 1 << 16;   // in one list
inline constexpr int kTemplateDepth = 64;                 // nesting in its text
inline constexpr int kTemplateRunDepth = 500;             // nesting of what runs

// --- config.json
inline constexpr std::int64_t kSize = 1 << 20;  // a width, a vocabulary, a position table
inline constexpr std::int64_t kLayers = 1024;   // layers of one stack
inline constexpr std::int64_t kHeads = 1024;    // attention heads of one layer

// --- images
// Pictures as they come; those of ImageOptions, which a caller may set otherwise. So many pixels
// Pillow opens too: 512 MiB of R, G and B, which the bytes of a file without compression exceed by
// little.
inline constexpr std::int64_t kPicturePixels = 178'956'970;  // width x height after decoding
inline constexpr std::int64_t kPictureBytes = 640 << 20;     // one encoded picture
inline constexpr std::int64_t kPictureSide = 1 << 20;        // pixels along one side
// Pixels along one side whatever a caller sets: the weights that resize it take some 64 bytes each.
inline constexpr std::int64_t kLongestSide = 1 << 24;
// What a checkpoint resizes pictures to.
inline constexpr std::int64_t kImagePixels = 64'000'000;  // height x width
inline constexpr std::int64_t kImageSide = 32'768;        // pixels along one side
// Pixels along one side of a resized picture of which a part is kept: the most that the longest
// side with a shorter one of a pixel becomes where that is resized to 512.
inline constexpr std::int64_t kResizedSide = 1 << 24;
inline constexpr std::int64_t kTileResolutions = 256;  // in image_grid_pinpoints
inline constexpr std::int64_t kTiles = 256;            // in one picture
inline constexpr int kImageMetadataBytes = 8 << 20;    // one chunk of metadata, unpacked
// One strip or tile, unpacked, where that is not the whole picture.
inline constexpr std::int64_t kTiffBlockBytes = 1 << 29;
inline constexpr std::int64_t kJpeg2000Tiles = 16'384;           // in one picture: each takes 9 kB
inline constexpr std::int64_t kJpeg2000TilePixels = 64'000'000;  // each takes up to 64 bytes
inline constexpr int kJpegScans = 500;  // in one progressive JPEG: each costs time

// --- requests
inline constexpr std::int64_t kInstructionBytes = 1 << 20;  // UTF-8 bytes of one instruction
inline constexpr std::int64_t kPromptTokens = 4096;         // positions before the first new token
// The same where a picture may be thousands of them: five of LLaVA-NeXT's largest.
inline constexpr std::int64_t kTiledPromptTokens = 16384;
inline constexpr std::int64_t kNewTokens = 4096;        // max_new_tokens
inline constexpr std::int64_t kBeams = 64;              // num_beams, num_return_sequences
inline constexpr std::int64_t kBannedTokens = 1 << 18;  // ids of bad_words_ids, of suppress_tokens
// |length_penalty|: kNewTokens to this power still fits in a float.
inline constexpr double kLengthPenalty = 10;
inline constexpr std::int64_t kCandidates = 65'536;  // answers to be ranked
inline constexpr std::int64_t kStopStrings = 16;     // stop strings of one request
inline constexpr std::int64_t kStopBytes = 256;      // UTF-8 bytes of one stop string

}  // namespace instructblip::limits
