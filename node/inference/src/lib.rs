//! Answer sources: the embedded tiny decoder, a service-time model, an OpenAI-compatible upstream
