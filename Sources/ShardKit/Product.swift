/// What pipeline calls itself: on the command line, toward servers, in what it writes for others.
public enum Product {
  public static let name = "pipeline"
  public static let version = "0.1"
}
