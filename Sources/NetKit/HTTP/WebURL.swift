import CCurl

/// An http or https URL as libcurl understands it, so that what is checked is what is asked.
///
/// Normal form: lower-case scheme and host, no default port, no `.` and `..` in the path, unsafe bytes encoded, no
/// fragment. User and password are taken out of the text.
public struct WebURL: Hashable, Sendable {
  /// The URL without user and password.
  public let text: String
  public let scheme: String
  /// As in a `Host` header: an IPv6 address stands in brackets.
  public let host: String
  public let port: Int
  /// Path and query, as asked.
  public let target: String
  let user: String?
  let password: String?

  public init(_ text: String) throws(NetError) { try self.init(Parts(text, base: nil)) }

  /// A reference found at this URL: absolute, or relative as in a `Location` header.
  public func resolving(_ reference: String) throws(NetError) -> WebURL { try WebURL(Parts(reference, base: self)) }

  private init(_ parts: borrowing Parts) throws(NetError) {
    user = parts.get(CURLUPART_USER, UInt32(CURLU_URLDECODE))
    password = parts.get(CURLUPART_PASSWORD, UInt32(CURLU_URLDECODE))
    let query = parts.get(CURLUPART_QUERY).map { "?" + $0 } ?? ""
    target = (parts.get(CURLUPART_PATH) ?? "/") + query
    scheme = parts.get(CURLUPART_SCHEME) ?? ""
    host = (parts.get(CURLUPART_HOST) ?? "").lowercased()
    port = parts.get(CURLUPART_PORT, UInt32(CURLU_DEFAULT_PORT)).flatMap { Int($0) } ?? 0
    let isDefault = port == (scheme == "https" ? 443 : 80)
    text = "\(scheme)://\(host)\(isDefault ? "" : ":\(port)")\(target)"
    guard scheme == "http" || scheme == "https" else {
      throw NetError(.address, shown, "only http and https are asked, not \(scheme)")
    }
    guard !host.isEmpty else { throw NetError(.address, shown, "it names no host") }
  }

  /// `https://example.org` or `http://example.org:8080`: whom politeness, credentials and robots.txt speak of.
  public var origin: String { String(text.dropLast(target.utf8.count)) }

  /// For messages and logs: values of query parameters that sign or authorize are left out.
  public var shown: String {
    guard let mark = text.firstIndex(of: "?") else { return text }
    let fields = text[text.index(after: mark)...].split(separator: "&", omittingEmptySubsequences: false).map { field in
      guard let equals = field.firstIndex(of: "="), Self.isSecret(field[..<equals].lowercased()) else { return field }
      return field[...equals] + "…"
    }
    return text[...mark] + fields.joined(separator: "&")
  }

  /// Whether it names a password, or a parameter that signs or authorizes.
  public var holdsSecret: Bool { password != nil || shown != text }

  private static func isSecret(_ name: String) -> Bool {
    let exact = ["sig", "key", "auth", "policy", "code", "pass", "awsaccesskeyid"]
    let parts = ["signature", "token", "secret", "password", "credential", "api_key", "apikey", "key-pair"]
    return exact.contains(name) || parts.contains { name.contains($0) }
  }
}

extension WebURL: CustomStringConvertible {
  public var description: String { shown }
}

/// libcurl's parser.
private struct Parts: ~Copyable {
  private let handle: OpaquePointer

  init(_ text: String, base: WebURL?) throws(NetError) {
    guard let handle = curl_url() else { fatalError("out of memory") }
    self.handle = handle
    let flags = UInt32(CURLU_URLENCODE)
    if let base { curl_url_set(handle, CURLUPART_URL, base.text, 0) }
    let code = curl_url_set(handle, CURLUPART_URL, text, flags)
    guard code == CURLUE_OK else {
      // What cannot be parsed may hold a password anywhere: it is not repeated, except for a scheme.
      if code == CURLUE_UNSUPPORTED_SCHEME, let colon = text.firstIndex(of: ":") {
        throw NetError(.address, "", "only http and https are asked, not \(text[..<colon])")
      }
      let reason = String(cString: curl_url_strerror(code))
      throw NetError(.address, "", "an address is malformed (\(reason))", hint: "Write it as https://host/path.")
    }
    curl_url_set(handle, CURLUPART_FRAGMENT, nil, 0)
  }

  deinit { curl_url_cleanup(handle) }

  func get(_ part: CURLUPart, _ flags: UInt32 = 0) -> String? {
    var value: UnsafeMutablePointer<CChar>?
    guard curl_url_get(handle, part, &value, flags) == CURLUE_OK, let value else { return nil }
    defer { curl_free(value) }
    return String(cString: value)
  }
}
