// Stamps: by what an end recognises an object that it need not open.
// docs/formats/cloning.md, "Unchanged objects".
#ifndef PERIGEE_CLONING_STAMPS_H_
#define PERIGEE_CLONING_STAMPS_H_

#include "cloning/protocol.h"
#include "hsm/partition.h"

namespace cloning {

// Makes one end's stamps in a run with one peer. All that this end's rules look
// at is in them: a stamp that is met again is of an object with the same
// content, and the rules would say of it what they said.
class Stamper {
 public:
  // `own`: what the partition would sign now; `peer`: what the other end has
  // signed in this run.
  Stamper(const hsm::Statement& own, const hsm::Login& login,
          const hsm::Statement& peer);

  Stamp Of(const hsm::Edition& edition) const;

 private:
  Bytes terms_;
};

// Of an object that was opened.
hsm::Edition EditionOf(const hsm::Object& object);

}  // namespace cloning

#endif  // PERIGEE_CLONING_STAMPS_H_
