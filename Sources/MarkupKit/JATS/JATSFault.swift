/// Why an article is not well-formed XML within the bounds, and where.
public struct JATSFault: Error, Equatable {
  public var message: String
  /// 0 where it is not known.
  public var line: Int

  public static let noMemory = JATSFault(XMLFault(cause: .noMemory, line: 0, position: 0))

  init(_ fault: XMLFault) {
    message = fault.message
    line = fault.line
  }
}
