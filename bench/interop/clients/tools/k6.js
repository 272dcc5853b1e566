// Each user goes when it has heard all of its own messages, in their order.
import {check} from 'k6';
import {WebSocket} from 'k6/websockets';

const messages = Number(__ENV.MESSAGES);

export const options = {
  vus: Number(__ENV.USERS),
  iterations: Number(__ENV.USERS),
  thresholds: {checks: [{threshold: 'rate==1'}]},
};

export default function () {
  const ws = new WebSocket(`ws://${__ENV.HOST}:${__ENV.PORT}/ws`);
  let heard = 0;
  ws.onopen = () => {
    for (let i = 0; i < messages; i++) ws.send(`${__ITER}.${__VU} ${i}`);
  };
  ws.onmessage = ({data}) => {
    if (data === `${__ITER}.${__VU} ${heard}` && ++heard === messages) ws.close(1000);
  };
  ws.onclose = () => check(heard, {'heard all of its own': n => n === messages});
}
