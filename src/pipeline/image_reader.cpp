#include "pipeline/image_reader.h"

#include <ATen/ops/cat.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "pipeline/tensors.h"

namespace instructblip {
namespace {

// Pictures, and views of them, that go through a stage at once, at most (one picture may have more
// views): their activations take memory.
constexpr std::size_t kPicturesAtOnce = 8;
constexpr std::int64_t kViewsOfAPass = 8;

// The Q-Former's share of the cache: a picture's queries are a twentieth of its visual rows, and it
// may be asked several things.
constexpr std::int64_t kQFormerShare = 8;

std::string_view bytes_of(const at::Tensor& tensor) {
  return {static_cast<const char*>(tensor.const_data_ptr()), tensor.nbytes()};
}

// Rows of a stage's output, [count, ...], in memory of their own: a view would keep alive whatever
// was computed beside them, other pictures or the Q-Former's words, which no cache counts.
at::Tensor own_rows(const at::Tensor& output, std::int64_t first, std::int64_t count) {
  const at::Tensor rows = output.narrow(0, first, count);
  return rows.storage().nbytes() == rows.nbytes() ? rows.contiguous() : rows.clone();
}

template <typename Take>
void in_passes(std::size_t count, Take&& take) {
  for (std::size_t first = 0; first < count; first += kPicturesAtOnce) {
    take(first, std::min(kPicturesAtOnce, count - first));
  }
}

at::Tensor stacked(const std::vector<at::Tensor>& tensors) {
  return tensors.size() == 1 ? tensors.front() : at::cat(tensors);
}

}  // namespace

std::uint64_t new_picture_id() {
  static std::atomic<std::uint64_t> next{1};
  return next++;
}

ImageReader::ViewsKey::ViewsKey(at::Tensor contiguous)
    : views(std::move(contiguous)), hash(std::hash<std::string_view>{}(bytes_of(views))) {}

ImageReader::ViewsKey ImageReader::ViewsKey::copy() const {
  ViewsKey own = *this;
  own.views = views.clone();
  return own;
}

bool ImageReader::ViewsKey::operator==(const ViewsKey& other) const {
  return hash == other.hash && views.sizes() == other.views.sizes() &&
         bytes_of(views) == bytes_of(other.views);
}

std::size_t ImageReader::QFormerHash::operator()(const QFormerKey& key) const {
  const auto* ids = reinterpret_cast<const char*>(key.instruction.data());
  const std::size_t hash = std::hash<std::string_view>{}(
      {ids, key.instruction.size() * sizeof(key.instruction.front())});
  return hash * 31 + key.picture;
}

ImageReader::ImageReader(const nn::Runtime& runtime, const Stages& stages,
                         const kernels::PixelTable& values, std::int64_t cache_bytes)
    : runtime_(runtime),
      stages_(stages),
      values_(runtime, values),
      encoded_(cache_bytes - cache_bytes / kQFormerShare),
      queries_(cache_bytes / kQFormerShare) {
  report_ = {encoded_.usage(), queries_.usage()};
}

std::vector<ImageReader::VisionOutput> ImageReader::encode(std::span<const at::Tensor> pictures) {
  std::vector<VisionOutput> outputs(pictures.size());
  std::vector<ViewsKey> missing;
  std::unordered_map<ViewsKey, std::vector<std::size_t>, ViewsHash> places;  // in `outputs`
  std::int64_t encoded_views = 0;
  for (std::size_t i = 0; i < pictures.size(); ++i) {
    const ViewsKey key(pictures[i].contiguous());
    if (const auto known = places.find(key); known != places.end()) {
      known->second.push_back(i);
    } else if (const auto found = encoded_.find(key)) {
      outputs[i] = {*found, true};
    } else {
      places[key] = {i};
      missing.push_back(key);
    }
  }
  for (std::size_t first = 0, count = 0; first < missing.size(); first += count) {
    std::vector<at::Tensor> pass;
    std::int64_t views = 0;
    for (count = 0; first + count < missing.size(); ++count) {
      const at::Tensor& next = missing[first + count].views;
      if (count > 0 && views + next.size(0) > kViewsOfAPass) break;
      views += next.size(0);
      pass.push_back(next);
    }
    const at::Tensor rows =
        finite(stages_.vision->forward(values_(stacked(pass))), "vision encoder");
    encoded_views += views;
    std::int64_t row = 0;
    for (std::size_t i = 0; i < count; ++i) {
      const ViewsKey& key = missing[first + i];
      const EncodedPicture picture{own_rows(rows, row, key.views.size(0)), new_picture_id()};
      row += key.views.size(0);
      for (const std::size_t place : places[key]) outputs[place] = {picture, false};
      const auto bytes = static_cast<std::int64_t>(key.views.nbytes() + picture.rows.nbytes());
      if (encoded_.takes(bytes)) encoded_.insert(key.copy(), picture, bytes);
    }
  }
  const std::lock_guard lock(report_mutex_);
  report_.vision = encoded_.usage();
  work_.views += encoded_views;
  return outputs;
}

std::vector<ImageReader::QFormerOutput> ImageReader::run_qformer(
    std::span<const QFormerInput> inputs) {
  std::vector<QFormerOutput> outputs(inputs.size());
  if (!stages_.qformer) {
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      outputs[i] = {runtime_.upload_rows(inputs[i].picture.rows), true};
    }
    return outputs;
  }
  std::vector<QFormerKey> missing;
  std::unordered_map<QFormerKey, std::vector<std::size_t>, QFormerHash> places;  // in `outputs`
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const auto& [picture, instruction] = inputs[i];
    QFormerKey key{picture.id, {instruction.begin(), instruction.end()}};
    if (const auto known = places.find(key); known != places.end()) {
      known->second.push_back(i);
    } else if (const auto found = queries_.find(key)) {
      outputs[i] = {*found, true};
    } else {
      places[key] = {i};
      missing.push_back(std::move(key));
    }
  }
  in_passes(missing.size(), [&](std::size_t first, std::size_t count) {
    std::vector<QFormer::Ids> instructions;
    std::vector<at::Tensor> pictures;
    for (std::size_t i = first; i < first + count; ++i) {
      instructions.emplace_back(missing[i].instruction);
      pictures.push_back(runtime_.upload_rows(inputs[places[missing[i]].front()].picture.rows));
    }
    const at::Tensor queries =
        finite(stages_.qformer->forward_each(instructions, stacked(pictures)), "Q-Former");
    for (std::size_t i = 0; i < count; ++i) {
      const QFormerKey& key = missing[first + i];
      const at::Tensor own = own_rows(queries, static_cast<std::int64_t>(i), 1);
      for (const std::size_t place : places[key]) outputs[place] = {own, false};
      const std::size_t bytes = own.nbytes() + key.instruction.size() * sizeof(int);
      queries_.insert(key, own, static_cast<std::int64_t>(bytes));
    }
  });
  const std::lock_guard lock(report_mutex_);
  report_.qformer = queries_.usage();
  work_.pictures += std::ssize(missing);
  return outputs;
}

ImageReader::Work ImageReader::work() const {
  const std::lock_guard lock(report_mutex_);
  return work_;
}

CacheReport ImageReader::usage() const {
  const std::lock_guard lock(report_mutex_);
  return report_;
}

}  // namespace instructblip
