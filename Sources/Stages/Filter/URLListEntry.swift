import ShardKit

/// A line of a list of domains and URLs, in the forms that are common: plain, `*.domain`, a hosts file (`0.0.0.0
/// domain`), `||domain^`, with or without a scheme.
enum URLListEntry: Equatable {
  /// With all of its subdomains.
  case domain(String)
  /// This host alone: a public suffix, below which others have their sites.
  case host(String)
  /// Host and target, without a slash at the end.
  case address(String)

  /// The entries of a line: none for blank lines and comments (`#`, `!`), several for a line of a hosts file.
  static func all(in line: String) -> [URLListEntry] {
    let words = line.split(whereSeparator: \.isWhitespace)
    guard let first = words.first, first.first != "#", first.first != "!" else { return [] }
    if words.count > 1, ["0.0.0.0", "127.0.0.1", "::1", "::"].contains(first) {
      return words.dropFirst().prefix { $0.first != "#" }.compactMap { URLListEntry(word: $0) }
    }
    return [URLListEntry(word: first)].compactMap { $0 }
  }

  /// Whether a line is a domain as most lists have all of theirs, in lower case and ASCII, and no public suffix: its entry
  /// is the line itself. Lists have millions of lines.
  static func isPlainDomain(_ line: UnsafeRawBufferPointer) -> Bool {
    guard let first = line.first, first != 0x2E, line.last != 0x2E, line.count <= 253 else { return false }
    var dots = 0, lastLabel = 0
    for byte in line {
      switch byte {
      case 0x61...0x7A, 0x30...0x39, 0x2D: lastLabel += 1
      case 0x2E:
        dots += 1
        lastLabel = 0
      default: return false
      }
    }
    // Registries' categories have two labels and a country's code.
    guard dots > 1 || dots == 1 && lastLabel > 2 else { return false }
    return !PublicSuffix.isHostOfSites(line)
  }

  /// Whether a line of a filter list is about parts of pages (`##.banner`) or an exception (`@@`), not about whole sites.
  static func isOfPages(_ line: String) -> Bool {
    line.hasPrefix("@@") || ["##", "#@#", "#?#", "#$#"].contains { line.contains($0) && line.first != "#" }
  }

  private init?(word: Substring) {
    var text = word
    if text.hasPrefix("||") { text = text.dropFirst(2).prefix { $0 != "^" && $0 != "$" } }
    while text.first == "." || text.first == "*" { text = text.dropFirst() }
    let address = WebAddress(String(text))
    guard !address.host.isEmpty else { return nil }
    if address.target.isEmpty || address.target == "/" {
      self = PublicSuffix.isOne(address.host) ? .host(address.host) : .domain(address.host)
    } else {
      self = .address(Self.trimmed(address.host + address.target))
    }
  }

  static func trimmed(_ address: String) -> String { address.hasSuffix("/") ? String(address.dropLast()) : address }

  /// The key in a `URLTable`.
  var key: [UInt8] {
    switch self {
    case .domain(let name): Array("d:".utf8) + Array(name.utf8)
    case .host(let name): Array("h:".utf8) + Array(name.utf8)
    case .address(let name): Array("a:".utf8) + Array(name.utf8)
    }
  }

  /// The entries that hold for an address, the most general ones last.
  static func matching(_ address: WebAddress) -> [URLListEntry] {
    guard !address.host.isEmpty else { return [] }
    var out: [URLListEntry] = []
    let hosts = address.host.hasPrefix("www.") ? [address.host, String(address.host.dropFirst(4))] : [address.host]
    for host in hosts { out += addresses(host, address.target).map { .address($0) } }
    out.append(.host(address.host))
    return out + address.domains.map { .domain(String($0)) }
  }

  /// The address, the same without its query, and the folders above it; at most 64.
  private static func addresses(_ host: String, _ target: String) -> [String] {
    var out = [trimmed(host + target)]
    var path = target.prefix { $0 != "?" }
    while path.utf8.count > 1, out.count < 64 {
      let entry = trimmed(host + path)
      if entry != out.last { out.append(entry) }
      guard let slash = path.dropLast().lastIndex(of: "/") else { break }
      path = path[...slash]
    }
    return out
  }

  var text: String {
    switch self {
    case .domain(let name), .host(let name), .address(let name): name
    }
  }
}

/// Domains below which others register names or have their sites. The rules of registries, and the largest hosts of
/// sites: not the whole Public Suffix List.
enum PublicSuffix {
  static func isOne(_ host: String) -> Bool {
    let labels = host.split(separator: ".")
    guard labels.count > 1 else { return true }
    if hosts.contains(host) { return true }
    guard labels.count == 2, labels[1].utf8.count == 2 else { return false }
    return categories.contains(String(labels[0])) || labels[1] == "jp" && prefectures.contains(String(labels[0]))
  }

  /// Whether an ASCII name in lower case is one of the largest hosts of sites; rarely true for another name.
  static func isHostOfSites(_ name: UnsafeRawBufferPointer) -> Bool { hashes.contains(recordHash(name)) }

  private static let hashes = Set(hosts.map { recordHash(Array($0.utf8)) })

  private static func words(_ text: String) -> Set<String> {
    Set(text.split { $0 == " " || $0 == "\n" }.map(String.init))
  }

  private static let categories = words(
    "ac ad co com ed edu go gob gov gouv gr lg mil ne net nom or org sch nhs plc ltd me id web asn info biz firm gen ind"
  )
  private static let prefectures = words(
    """
    hokkaido aomori iwate miyagi akita yamagata fukushima ibaraki tochigi gunma saitama chiba tokyo kanagawa niigata
    toyama ishikawa fukui yamanashi nagano gifu shizuoka aichi mie shiga kyoto osaka hyogo nara wakayama tottori shimane
    okayama hiroshima yamaguchi tokushima kagawa ehime kochi fukuoka saga nagasaki kumamoto oita miyazaki kagoshima
    okinawa
    """)
  private static let hosts = words(
    """
    github.io gitlab.io pages.dev workers.dev web.app firebaseapp.com appspot.com netlify.app vercel.app herokuapp.com
    onrender.com fly.dev glitch.me repl.co surge.sh blogspot.com blogspot.jp wordpress.com tumblr.com weebly.com
    wixsite.com jimdofree.com webnode.com livejournal.com typepad.com s3.amazonaws.com amazonaws.com cloudfront.net
    azurewebsites.net azureedge.net windows.net hatenablog.com hatenablog.jp hateblo.jp hatenadiary.com hatenadiary.jp
    seesaa.net fc2.com livedoor.blog blog.jp doorblog.jp exblog.jp cocolog-nifty.com ocnk.net sakura.ne.jp xsrv.jp
    jugem.jp at-ninja.jp shop-pro.jp base.shop stores.jp thebase.in amebaownd.com themedia.jp localinfo.jp studio.site
    """)
}
