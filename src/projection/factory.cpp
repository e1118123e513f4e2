#include "projection/linear_projection.h"
#include "projection/mlp_projection.h"
#include "projection/projection.h"
#include "projection/tiled_projection.h"

namespace instructblip {
namespace {

// A row for each projection: the config it is described by, the class that runs it.
struct Factory {
  const nn::Weights& weights;
  const ProjectionWidths& widths;

  std::unique_ptr<const Projection> operator()(const LinearProjectionConfig&) const {
    return std::make_unique<LinearProjection>(weights / "language_projection", widths);
  }
  std::unique_ptr<const Projection> operator()(const MlpProjectionConfig& config) const {
    return std::make_unique<MlpProjection>(weights / "multi_modal_projector", config, widths);
  }
  std::unique_ptr<const Projection> operator()(const TiledProjectionConfig& config) const {
    return std::make_unique<TiledProjection>(weights, config, widths);
  }
};

}  // namespace

std::unique_ptr<const Projection> make_projection(const nn::Weights& weights,
                                                  const ProjectionConfig& config,
                                                  const ProjectionWidths& widths) {
  return std::visit(Factory{weights, widths}, config);
}

}  // namespace instructblip
