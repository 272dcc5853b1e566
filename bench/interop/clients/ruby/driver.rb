require 'openssl'
require 'socket'
require 'uri'
require 'websocket/driver'

$stdout.sync = true

# Connection is what the driver writes to.
class Connection
  attr_reader :url, :socket

  def initialize(url)
    @url = url
    uri = URI(url)
    @socket = TCPSocket.new(uri.host, uri.port)
    return unless uri.scheme == 'wss'

    tls = OpenSSL::SSL::SSLContext.new
    tls.set_params(ca_file: ENV['SSL_CERT_FILE'])
    @socket = OpenSSL::SSL::SSLSocket.new(@socket, tls)
    @socket.hostname = uri.host
    @socket.connect
    @socket.post_connection_check(uri.host)
  end

  def write(bytes)
    @socket.write(bytes)
  end
end

connection = Connection.new(ARGV[0])
ws = WebSocket::Driver.client(connection)
closed = false
ws.on :open do
  ws.text('Grüße, 世界 🙂')
  ws.binary((0..255).to_a)
  ws.text('fragmented')
  ws.text('x' * 65536)
end
ws.on :message do |event|
  if event.data.is_a?(String)
    puts 'text ' + event.data.unpack1('H*')
    ws.close('', 1000) if event.data == 'bye'
  else
    puts 'binary ' + event.data.pack('C*').unpack1('H*')
  end
end
ws.on :close do |event|
  puts "closed #{event.code}"
  closed = true
end
ws.start
ws.parse(connection.socket.readpartial(65536)) until closed
