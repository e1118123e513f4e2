// The door to libjpeg.
// libjpeg's headers depend on what came before them, and do not include it.
// clang-format off
#include <cstdio>
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <csetjmp>
#include <new>
#include <string>

#include "core/limits.h"
#include "image/cmyk.h"
#include "image/decoders.h"

namespace instructblip {
namespace {

constexpr int kCmykChannels = 4;

// What libjpeg reports, kept instead of printed.
struct Failure {
  jpeg_error_mgr manager;  // first, so that libjpeg's pointer to it is one to the whole
  std::jmp_buf jump;
  int code;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void leave(j_common_ptr common) {
  auto* failure = reinterpret_cast<Failure*>(common->err);
  failure->code = common->err->msg_code;
  common->err->format_message(common, failure->message);
  std::longjmp(failure->jump, 1);
}

// Warnings after which part of the picture is made up. The others are about metadata, or about
// bytes between the end of the pixels and the next marker, which cameras do write.
bool is_damage(int code) {
  return code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE || code == JWRN_JPEG_EOF ||
         code == JWRN_MUST_RESYNC || code == JWRN_ARITH_BAD_CODE;
}

void on_message(j_common_ptr common, int level) {
  if (level < 0 && is_damage(common->err->msg_code)) leave(common);
}

void print_nothing(j_common_ptr) {}

// Progressive files may hold any number of scans over the whole picture, a few bytes each.
void on_progress(j_common_ptr common) {
  const auto* decompress = reinterpret_cast<j_decompress_ptr>(common);
  if (decompress->input_scan_number > limits::kJpegScans) {
    common->err->msg_code = JERR_TOO_LITTLE_DATA;
    leave(common);
  }
}

// Owns the codec. libjpeg leaves its functions by longjmp, so no function here that calls them
// holds an object with a destructor.
class JpegReader {
 public:
  JpegReader() = default;
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;
  ~JpegReader() {
    if (created_) jpeg_destroy_decompress(&codec_);
  }

  bool read_header(std::span<const std::uint8_t> bytes) {
    codec_.err = jpeg_std_error(&failure_.manager);
    failure_.manager.error_exit = leave;
    failure_.manager.emit_message = on_message;
    failure_.manager.output_message = print_nothing;
    if (setjmp(failure_.jump) != 0) return false;
    jpeg_create_decompress(&codec_);
    created_ = true;
    progress_.progress_monitor = on_progress;
    codec_.progress = &progress_;
    jpeg_mem_src(&codec_, bytes.data(), bytes.size());
    jpeg_read_header(&codec_, TRUE);
    codec_.out_color_space = is_cmyk() ? JCS_CMYK : JCS_RGB;
    return true;
  }

  bool is_cmyk() const { return codec_.num_components == kCmykChannels; }
  int width() const { return static_cast<int>(codec_.image_width); }
  int height() const { return static_cast<int>(codec_.image_height); }

  // All rows, and the end of the file. CMYK passes through `row`, of four channels.
  bool read_rows(Pixels& out, std::uint8_t* row);

  bool out_of_memory() const { return failure_.code == JERR_OUT_OF_MEMORY; }
  bool is_cut() const {
    return failure_.code == JWRN_JPEG_EOF || failure_.code == JERR_INPUT_EOF ||
           failure_.code == JERR_INPUT_EMPTY;
  }
  std::string message() const { return failure_.message; }

 private:
  jpeg_decompress_struct codec_{};
  jpeg_progress_mgr progress_{};
  Failure failure_{};
  bool created_ = false;
};

// Pillow takes every CMYK JPEG for Adobe's, which is stored inverted, and converts without profile.
void convert_cmyk(const std::uint8_t* cmyk, int width, std::uint8_t* rgb) {
  for (int x = 0; x < width; ++x, cmyk += kCmykChannels, rgb += 3) {
    std::uint8_t inks[kCmykChannels];
    for (int i = 0; i < kCmykChannels; ++i) inks[i] = static_cast<std::uint8_t>(255 - cmyk[i]);
    cmyk_to_rgb(inks, rgb);
  }
}

bool JpegReader::read_rows(Pixels& out, std::uint8_t* row) {
  if (setjmp(failure_.jump) != 0) return false;
  jpeg_start_decompress(&codec_);
  while (codec_.output_scanline < codec_.output_height) {
    std::uint8_t* target = out.row(static_cast<int>(codec_.output_scanline));
    JSAMPROW into = row != nullptr ? row : target;
    jpeg_read_scanlines(&codec_, &into, 1);
    if (row != nullptr) convert_cmyk(row, out.width, target);
  }
  jpeg_finish_decompress(&codec_);
  return true;
}

[[noreturn]] void fail(const EncodedImage& image, const JpegReader& reader) {
  if (reader.out_of_memory()) throw std::bad_alloc();
  image.fail_bad("JPEG: " + (reader.is_cut() ? "the file is cut short" : reader.message()));
}

}  // namespace

Pixels decode_jpeg(const EncodedImage& image) {
  JpegReader reader;
  if (!reader.read_header(image.bytes)) fail(image, reader);
  Pixels pixels = Pixels::of_size(reader.width(), reader.height(), 3);
  std::unique_ptr<std::uint8_t[]> row;
  if (reader.is_cmyk()) {
    row = std::make_unique<std::uint8_t[]>(static_cast<std::size_t>(kCmykChannels) *
                                           static_cast<std::size_t>(reader.width()));
  }
  if (!reader.read_rows(pixels, row.get())) fail(image, reader);
  return pixels;
}

}  // namespace instructblip
