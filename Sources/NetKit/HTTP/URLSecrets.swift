import ShardKit

/// Finds the secret parts of a URL, which grant access: the only list for showing and refusing URLs.
///
/// A parameter is secret by its name, which is first split into words (`X-Amz-Signature`, `accessKey`, `PHPSESSID`), or
/// by a value in the format of a well-known token.
enum URLSecrets {
  /// Hides secrets in a path and query.
  static func hiding(_ text: String) -> String {
    let bytes = Array(text.utf8)
    var out: [UInt8] = []
    var start = 0
    var (isParameter, isQuery) = (false, false)
    for at in 0...bytes.count where at == bytes.count || isSeparator(bytes[at]) {
      let part = bytes[start..<at]
      out += isParameter ? hidden(part) : part[...]
      if at < bytes.count { out.append(bytes[at]) }
      start = at + 1
      if at < bytes.count {
        // Within the path, a semicolon begins parameters and a slash ends them.
        isQuery = isQuery || bytes[at] == UInt8(ascii: "?")
        isParameter = isQuery || bytes[at] != UInt8(ascii: "/")
      }
    }
    return String(decoding: out, as: UTF8.self)
  }

  private static func isSeparator(_ byte: UInt8) -> Bool {
    [UInt8(ascii: "?"), UInt8(ascii: "&"), UInt8(ascii: ";"), UInt8(ascii: "/")].contains(byte)
  }

  private static func hidden(_ field: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
    guard let equals = field.firstIndex(of: UInt8(ascii: "=")) else {
      return isSecret(value: field) ? Array("…".utf8)[...] : field
    }
    let value = field[(equals + 1)...]
    let name = String(
      decoding: PercentEncoding.decode(String(decoding: field[..<equals], as: UTF8.self)), as: UTF8.self)
    guard isSecret(name: name) || isSecret(value: value) else { return field }
    return field[...equals] + Array("…".utf8)
  }

  // MARK: Names

  static func isSecret(name: String) -> Bool {
    let words = words(of: name)
    let joined = words.joined()
    return words.contains { secretWords.contains($0) } && !harmless.contains(joined)
      || secretParts.contains { joined.contains($0) }
      || secretEnds.contains { joined == $0 }
  }

  /// Words that mark a secret anywhere in a name.
  private static let secretWords: Set<String> = [
    "auth", "bearer", "cookie", "cred", "creds", "hmac", "jwt", "otp", "pass", "passwd", "passphrase", "policy", "psw",
    "pwd", "sas", "secret", "secrets", "sess", "session", "sid", "sig", "sign", "ticket", "token", "tokens",
  ]

  /// Substrings of a name without punctuation, for words that are written together. `session`, `token` and `secret`
  /// also occur in other words (`tokenizer`, `secretary`), so they only count as words or with a qualifying word.
  private static let secretParts = [
    "accesskey", "accesstoken", "apikey", "apitoken", "authkey", "authoriz", "authtoken", "bearertoken", "clientsecret",
    "credential", "csrftoken", "hmac", "idtoken", "jsession", "keypair", "oauth", "passphrase", "passw", "phpsess",
    "privatekey", "refreshtoken", "samlresponse", "secretkey", "securitytoken", "sessid", "sessionid", "sessionkey",
    "sessiontoken", "sharedkey", "signature", "signingkey", "subscriptionkey", "tokenid", "userkey", "usertoken",
  ]

  /// Harmless names with such a word, used by the Diet's API and others for numbers of sessions and tokens.
  private static let harmless: Set<String> = [
    "sessionfrom", "sessionto", "sessionnumber", "maxtokens", "maximumtokens", "mintokens", "minimumtokens",
  ]

  /// Complete names that are too short or too common to be searched within others.
  private static let secretEnds: Set<String> = [
    "access", "assertion", "code", "hdnea", "hdnts", "key", "mac", "pin", "pw", "awsaccesskeyid", "googleaccessid",
  ]

  /// The words of a name in lower case: split at punctuation, and between a small letter and a capital.
  private static func words(of name: String) -> [String] {
    var words: [[UInt8]] = [[]]
    var wasSmall = false
    for byte in name.utf8 {
      let isCapital = byte &- 0x41 < 26
      let isLetter = isCapital || byte &- 0x61 < 26 || byte &- 0x30 < 10 || byte >= 0x80
      if !isLetter || isCapital && wasSmall { words.append([]) }
      if isLetter { words[words.count - 1].append(isCapital ? byte | 0x20 : byte) }
      wasSmall = !isCapital && isLetter
    }
    return words.filter { !$0.isEmpty }.map { String(decoding: $0, as: UTF8.self) }
  }

  // MARK: Values

  /// Prefixes that only keys and tokens have.
  private static let beginnings = [
    "eyJ", "hf_", "ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "AKIA", "ASIA", "sk-", "ya29.",
    "Bearer%20", "Basic%20",
  ].map { Array($0.utf8) }

  private static func isSecret(value: ArraySlice<UInt8>) -> Bool {
    value.count >= 20 && beginnings.contains { value.starts(with: $0) }
  }
}
