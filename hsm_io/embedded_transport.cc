#include "hsm_io/embedded_transport.h"

#include <algorithm>
#include <utility>

namespace hsm_io {
namespace {

class EmbeddedTransport : public Transport {
 public:
  explicit EmbeddedTransport(PlugIn plug_in) : plug_in_(std::move(plug_in)) {}

  absl::Status Open(Deadline) override {
    Close();
    ASSIGN_OR_RETURN(server_, plug_in_());
    return absl::OkStatus();
  }

  void Close() override {
    server_.reset();
    from_host_.clear();
    to_host_.clear();
  }

  // Bytes come as they like; the device acts when a frame is complete.
  absl::Status Write(ByteSpan bytes, Deadline) override {
    if (server_ == nullptr) return Gone();
    from_host_.insert(from_host_.end(), bytes.begin(), bytes.end());
    for (;;) {
      absl::StatusOr<std::optional<Frame>> frame = TakeFrame(from_host_);
      if (frame.ok() && !frame->has_value()) break;
      absl::StatusOr<Frame> answer =
          frame.ok() ? server_->Serve(**frame) : frame.status();
      if (!answer.ok()) {
        Close();  // What cannot be parsed ends the link.
        return Gone();
      }
      const Bytes out = answer->Encode();
      to_host_.insert(to_host_.end(), out.begin(), out.end());
    }
    return absl::OkStatus();
  }

  absl::StatusOr<Bytes> Read(size_t limit, Deadline) override {
    if (to_host_.empty()) return Gone();
    const size_t size = std::min(limit, to_host_.size());
    Bytes out(to_host_.begin(), to_host_.begin() + size);
    to_host_.erase(to_host_.begin(), to_host_.begin() + size);
    return out;
  }

 private:
  static absl::Status Gone() {
    return base::Error(CKR_DEVICE_REMOVED, "the embedded device is closed");
  }

  PlugIn plug_in_;
  std::unique_ptr<Server> server_;
  Bytes from_host_;
  Bytes to_host_;
};

}  // namespace

std::unique_ptr<Transport> NewEmbeddedTransport(PlugIn plug_in) {
  return std::make_unique<EmbeddedTransport>(std::move(plug_in));
}

}  // namespace hsm_io
