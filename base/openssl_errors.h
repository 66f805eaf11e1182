// OpenSSL's error queue of a thread belongs to the host of the module: what is
// ours goes, what was there before stays.
#ifndef PERIGEE_BASE_OPENSSL_ERRORS_H_
#define PERIGEE_BASE_OPENSSL_ERRORS_H_

namespace base {

// Drops what OpenSSL reported since the caller's caller marked the queue
// (pkcs11/call.cc does, at every entry); everything where nobody did. True when
// older entries are left. Not ERR_clear_error, which takes the host's too.
bool ForgetOpenSslErrors();

}  // namespace base

#endif  // PERIGEE_BASE_OPENSSL_ERRORS_H_
