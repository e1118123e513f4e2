#include "instructblip/engine.h"

#include <utility>

#include "api/backend.h"

namespace instructblip {

Engine::Engine(const Pipeline& pipeline, const EngineOptions& options)
    : impl_(pipeline.impl_->start_engine(options)) {}

Engine::~Engine() = default;

std::future<Response> Engine::submit(const Request& request, const Control& control) {
  return impl_->submit(request, control);
}

EngineStats Engine::stats() const { return impl_->stats(); }

}  // namespace instructblip
