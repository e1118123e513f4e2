// Encoded pictures as a file.
#include <ATen/ops/all.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <utility>

#include "checkpoint/tensor_store.h"
#include "core/errors.h"
#include "interface/guarded.h"
#include "interface/tensors.h"
#include "pipeline/impl.h"

namespace instructblip {
namespace {

constexpr const char* kTensor = "vision";

SeenPicture picture(const TensorEntry& entry, std::int64_t index) {
  at::Tensor rows = at::empty({1, entry.shape[1], entry.shape[2]}, at::dtype(at::kFloat));
  const std::size_t bytes = rows.nbytes();
  std::memcpy(rows.data_ptr(), entry.bytes.data() + static_cast<std::size_t>(index) * bytes, bytes);
  return {std::move(rows), new_picture_id()};
}

}  // namespace

std::int64_t ImageFeatures::images() const {
  return static_cast<std::int64_t>(impl_->pictures.size());
}
std::int64_t ImageFeatures::positions() const { return impl_->pictures.front().rows.size(1); }
std::int64_t ImageFeatures::width() const { return impl_->pictures.front().rows.size(2); }

void ImageFeatures::save(const std::filesystem::path& file) const {
  guarded([&] {
    std::vector<at::Tensor> rows;
    for (const SeenPicture& seen : impl_->pictures) rows.push_back(seen.rows);
    save_tensors(file, std::array{to_named(kTensor, at::cat(rows))});
  });
}

ImageFeatures ImageFeatures::load(const std::filesystem::path& file) {
  return guarded([&] {
    const TensorStore store = TensorStore::open_file(file);
    const TensorEntry* entry = store.find(kTensor);
    const std::string where = printable(file.string()) + ": ";
    if (entry == nullptr) {
      throw Error(ErrorCode::bad_model, where + "tensor " + quote(kTensor) + " is missing",
                  "features are written by ImageFeatures::save() or instructblip features");
    }
    const bool sized = entry->shape.size() == 3 &&
                       std::ranges::all_of(entry->shape, [](std::int64_t n) { return n > 0; });
    if (entry->dtype != DType::f32 || !sized) {
      throw Error(ErrorCode::bad_model, where + "tensor " + quote(kTensor) + ": expected F32 " +
                                            "[pictures, positions, width], got " +
                                            std::string(name_of(entry->dtype)) + " " +
                                            to_string(entry->shape));
    }
    auto impl = std::make_shared<Impl>();
    for (std::int64_t i = 0; i < entry->shape[0]; ++i) {
      impl->pictures.push_back(picture(*entry, i));
      if (at::isfinite(impl->pictures.back().rows).all().item<bool>()) continue;
      throw Error(ErrorCode::bad_model, where + "tensor " + quote(kTensor) + " of picture " +
                                            std::to_string(i) +
                                            ": expected finite numbers, got NaN or an infinity");
    }
    return ImageFeatures(std::move(impl));
  });
}

}  // namespace instructblip
