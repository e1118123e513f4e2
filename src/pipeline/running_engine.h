// The engine behind the public class.
#pragma once

#include <memory>

#include "api/backend.h"
#include "pipeline/model.h"

namespace instructblip {

// Starts its thread. Errors: as Engine's constructor.
std::unique_ptr<Engine::Impl> run_engine(std::shared_ptr<const Model> model,
                                         const EngineOptions& options);

}  // namespace instructblip
