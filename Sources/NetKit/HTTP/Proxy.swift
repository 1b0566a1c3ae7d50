import Glibc

/// Proxies from the environment: `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`, also in capitals (except
/// `HTTP_PROXY`, which clients of a web server could set).
struct Proxy {
  private let environment: (String) -> String?

  init(environment: @escaping (String) -> String? = { name in getenv(name).map { String(cString: $0) } }) {
    self.environment = environment
  }

  /// The proxy for a URL; nil to connect directly.
  func proxy(for url: WebURL) -> String? {
    guard !isExcepted(url) else { return nil }
    let names = [url.scheme + "_proxy"] + (url.scheme == "https" ? ["HTTPS_PROXY"] : []) + ["all_proxy", "ALL_PROXY"]
    return names.lazy.compactMap(value).first
  }

  private func value(_ name: String) -> String? { environment(name).flatMap { $0.isEmpty ? nil : $0 } }

  /// `no_proxy` contains names (including their subdomains), addresses, networks (`10.0.0.0/8`) or `*`.
  private func isExcepted(_ url: WebURL) -> Bool {
    let entries = (value("no_proxy") ?? value("NO_PROXY") ?? "").split { $0 == "," || $0 == " " }
    let address = NetworkAddress(url.host)
    return entries.contains { entry in
      if entry == "*" { return true }
      let parts = entry.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
      if let address, let network = NetworkAddress(String(parts[0])) {
        return address.matches(network, bits: parts.count > 1 ? Int(parts[1]) ?? 128 : network.bytes.count * 8)
      }
      let name = entry.drop { $0 == "." }.lowercased()
      return url.host == name || url.host.hasSuffix("." + name)
    }
  }
}
