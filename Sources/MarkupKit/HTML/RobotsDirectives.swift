/// What a page says of its use by robots, in its head and in its HTTP answer (`X-Robots-Tag`).
public enum RobotsDirectives {
  /// The name by which a site speaks to this crawler.
  public static let agent = "pipeline"

  /// The words of a list, in lower case.
  public static func words(_ list: String) -> [String] {
    list.split { $0 == "," || $0 == " " || $0 == "\t" }.map { $0.lowercased() }
  }
}
