/// The program's name and version: on the command line, in requests to servers, and in exported files.
public enum Product {
  public static let name = "pipeline"
  public static let version = "0.1"
}
