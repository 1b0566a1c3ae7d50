/// A template that is one figure.
enum WikiFigure: Sendable {
  /// 10 and its exponent: `{{10^|3}}`.
  case power
  /// A number with commas between its thousands: `{{nts|1234}}`.
  case number
  /// `{{sqrt|2}}`.
  case root
  /// A nuclide by its symbol: `{{nuclide|U|235}}`.
  case nuclide
}
