// Carries the precompiled headers of cmake/PerigeePrecompiled.cmake.
