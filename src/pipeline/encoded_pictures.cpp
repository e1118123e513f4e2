#include "pipeline/encoded_pictures.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <span>
#include <string>
#include <utility>

#include "checkpoint/tensor_store.h"
#include "core/boundary.h"
#include "core/errors.h"
#include "core/limits.h"
#include "nn/runtime.h"
#include "pipeline/tensors.h"

namespace instructblip {
namespace {

constexpr const char* kTensor = "vision";

constexpr const char* kPictures = "pictures";

// [1], 1 where they were encoded as LAVIS does; without it as transformers does.
constexpr const char* kLavis = "lavis";

// [1], 1 where they are the frames of a video that was given as one.
constexpr const char* kVideo = "video";

// What the tensor `pictures` says of one: how large it is, and where its views are among all.
struct Place {
  PictureSize size = {};
  std::int64_t first, views;
};

// Without ATen: whoever reads a file has no runtime yet, and this is his thread.
bool is_finite(const at::Tensor& rows) {
  const std::span values(rows.const_data_ptr<float>(), static_cast<std::size_t>(rows.numel()));
  return std::ranges::all_of(values, [](float value) { return std::isfinite(value); });
}

EncodedPicture read_picture(const TensorEntry& entry, const Place& place) {
  at::Tensor rows = at::empty({place.views, entry.shape[1], entry.shape[2]}, nn::host(at::kFloat));
  const std::size_t view = rows.nbytes() / static_cast<std::size_t>(place.views);
  std::memcpy(rows.data_ptr(), entry.bytes.data() + static_cast<std::size_t>(place.first) * view,
              rows.nbytes());
  return {std::move(rows), new_picture_id(), place.size};
}

// A whole number from 1 to `most`; 0 for anything else.
std::int64_t count_of(float value, std::int64_t most) {
  const bool fits = value >= 1 && value <= static_cast<float>(most) && value == std::floor(value);
  return fits ? static_cast<std::int64_t>(value) : 0;
}

// Where each picture stands among `views` views; without the tensor every view is a picture.
std::vector<Place> places_of(const TensorEntry* entry, std::int64_t views,
                             const std::string& where) {
  std::vector<Place> places;
  if (entry == nullptr) {
    for (std::int64_t i = 0; i < views; ++i) places.push_back({{}, i, 1});
    return places;
  }
  const auto fail = [&](const std::string& expected) {
    throw Error(ErrorCode::bad_model,
                where + "tensor " + quote(kPictures) + ": expected " + expected,
                "features are written by ImageFeatures::save() or instructblip features");
  };
  if (entry->dtype != DType::f32 || entry->shape.size() != 2 || entry->shape[1] != 3) {
    fail("F32 [pictures, 3], got " + std::string(name_of(entry->dtype)) + " " +
         to_string(entry->shape));
  }
  std::int64_t first = 0;
  for (std::int64_t i = 0; i < entry->shape[0]; ++i) {
    std::array<float, 3> row;
    std::memcpy(row.data(), entry->bytes.data() + static_cast<std::size_t>(i) * sizeof row,
                sizeof row);
    const PictureSize size = {count_of(row[0], limits::kLongestSide),
                              count_of(row[1], limits::kLongestSide)};
    const std::int64_t count = count_of(row[2], limits::kTiles + 1);
    if (size.height == 0 || size.width == 0 || count == 0) {
      fail("height, width and views of each picture, whole numbers");
    }
    places.push_back({size, first, count});
    first += count;
  }
  if (first != views) {
    fail("as many views as there are, " + std::to_string(views) + ", got " + std::to_string(first));
  }
  return places;
}

}  // namespace

std::optional<NamedTensor> to_named(std::span<const PictureSize> sizes,
                                    std::span<const std::int64_t> views) {
  if (std::ranges::all_of(views, [](std::int64_t count) { return count == 1; })) {
    return std::nullopt;
  }
  NamedTensor tensor{kPictures, {std::ssize(sizes), 3}, {}};
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    for (const std::int64_t number : {sizes[i].height, sizes[i].width, views[i]}) {
      tensor.values.push_back(static_cast<float>(number));
    }
  }
  return tensor;
}

std::optional<NamedTensor> to_named(Compat compat) {
  if (compat == Compat::hf) return std::nullopt;
  return NamedTensor{kLavis, {1}, {1}};
}

std::optional<NamedTensor> video_mark(bool is_video) {
  if (!is_video) return std::nullopt;
  return NamedTensor{kVideo, {1}, {1}};
}

std::vector<PictureSize> EncodedPictures::sizes() const {
  std::vector<PictureSize> sizes;
  for (const EncodedPicture& picture : pictures) sizes.push_back(picture.size);
  return sizes;
}

at::Tensor EncodedPictures::rows() const {
  std::vector<at::Tensor> all;
  for (const EncodedPicture& picture : pictures) all.push_back(nn::to_host(picture.rows));
  return at::cat(all);
}

void EncodedPictures::save(const std::filesystem::path& file) const {
  at_boundary([&] {
    std::vector<std::int64_t> views;
    for (const EncodedPicture& picture : pictures) views.push_back(picture.rows.size(0));
    std::vector<NamedTensor> tensors = {to_named(kTensor, rows())};
    if (auto places = to_named(sizes(), views)) tensors.push_back(std::move(*places));
    if (auto mode = to_named(compat)) tensors.push_back(std::move(*mode));
    if (auto mark = video_mark(is_video)) tensors.push_back(std::move(*mark));
    save_tensors(file, tensors);
  });
}

ImageFeatures load_features(const std::filesystem::path& file) {
  return at_boundary([&] {
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
    auto read = std::make_shared<EncodedPictures>();
    if (store.find(kLavis) != nullptr) read->compat = Compat::lavis;
    read->is_video = store.find(kVideo) != nullptr;
    for (const Place& place : places_of(store.find(kPictures), entry->shape[0], where)) {
      read->pictures.push_back(read_picture(*entry, place));
      if (is_finite(read->pictures.back().rows)) continue;
      throw Error(ErrorCode::bad_model, where + "tensor " + quote(kTensor) + " of picture " +
                                            std::to_string(read->pictures.size() - 1) +
                                            ": expected finite numbers, got NaN or an infinity");
    }
    return ImageFeatures(std::move(read));
  });
}

}  // namespace instructblip
