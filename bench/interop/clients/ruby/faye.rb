require 'faye/websocket'
require 'eventmachine'

$stdout.sync = true
url = ARGV[0]

EM.run do
  ws = Faye::WebSocket::Client.new(url, [], tls: { root_cert_file: ENV['SSL_CERT_FILE'] })
  ws.on :open do
    ws.send('Grüße, 世界 🙂')
    ws.send((0..255).to_a)
    ws.send('fragmented')
    ws.send('x' * 65536)
  end
  ws.on :message do |event|
    if event.data.is_a?(String)
      puts 'text ' + event.data.unpack1('H*')
      ws.close(1000) if event.data == 'bye'
    else
      puts 'binary ' + event.data.pack('C*').unpack1('H*')
    end
  end
  ws.on :close do |event|
    puts "closed #{event.code}"
    EM.stop
  end
end
