/// A page's directives to robots, in its head and in its HTTP response (`X-Robots-Tag`).
public enum RobotsDirectives {
  /// The name of this crawler in directives.
  public static let agent = "pipeline"

  /// The words of a list, in lower case.
  public static func words(_ list: String) -> [String] {
    list.split { $0 == "," || $0 == " " || $0 == "\t" }.map { $0.lowercased() }
  }
}
